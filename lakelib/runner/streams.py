"""What a cell prints, one output a stream, as a terminal would leave it."""

from collections.abc import Sequence

from nbformat import NotebookNode

__all__ = ["coalesced"]


def coalesced(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """The outputs, those of a stream joined in the place of its first one; stdout stands before a stderr next to it.

    What a carriage return overwrites is gone from its line. Takes time in proportion to the text: nbclient's own way
    takes the square of a line's length, holding the interpreter's lock, so that no signal and no clock ends it.
    """
    texts: dict[str, list[str]] = {}
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type != "stream":
            kept.append(output)
        elif output.name in texts:
            texts[output.name].append(output.text)
        else:
            texts[output.name] = [output.text]
            kept.append(output)
    for at, output in enumerate(kept):
        if output.output_type == "stream":
            output.text = _overwritten("".join(texts[output.name]))
            if output.name == "stdout" and at and kept[at - 1].get("name") == "stderr":
                kept[at - 1 : at + 1] = [output, kept[at - 1]]
    return kept


def _overwritten(text: str) -> str:
    if "\r" not in text:
        return text
    return "\n".join(line[line.rfind("\r", 0, len(line) - 1) + 1 :] for line in text.split("\n"))
