"""Two runs side by side: what they were asked for, their code, their inputs, and what came out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from typing import Any, Final

from nbformat import NotebookNode

from lakelib.runner.archive import Archived
from lakelib.runner.receipt import Receipt

__all__ = ["Difference", "code_cells", "code_differences", "fact_differences"]

_COMPARED: Final = (
    *("table", "start_date", "end_date", "status", "parameters", "engine", "versions", "git", "lock_sha256"),
    *("contract_sha256", "modules", "reads", "rows", "error"),
)


@dataclass(frozen=True)
class Difference:
    """`what` is a fact of the receipt, such as reads.bronze.flights; None where a run does not have it."""

    what: str
    left: Any
    right: Any


def fact_differences(left: Receipt, right: Receipt) -> list[Difference]:
    """The facts of the receipts that are not the same; deliveries by their bytes, rules by the rows that broke them."""
    ours, theirs = dict(_facts(left)), dict(_facts(right))
    names = dict.fromkeys([*ours, *theirs])
    return [Difference(name, ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)]


def code_differences(left: Archived, right: Archived) -> list[str]:
    """A unified diff for each code cell that is not the same, empty lines at its ends left away."""
    ours, theirs = code_cells(left.read_notebook()), code_cells(right.read_notebook())
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    changed = (block for block in blocks if block[0] != "equal")
    return [
        "\n".join(_diff(ours[first:last], theirs[begin:end], first + 1, begin + 1))
        for _, first, last, begin, end in changed
    ]


def code_cells(notebook: NotebookNode) -> list[str]:
    """The code as it was written, without the cell that papermill adds for parameters."""
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]


def _diff(ours: Sequence[str], theirs: Sequence[str], first: int, begin: int) -> Iterator[str]:
    left, right = ("\n\n".join(cells).splitlines() for cells in (ours, theirs))
    yield from unified_diff(left, right, f"code cell {first}", f"code cell {begin}", lineterm="")


def _facts(receipt: Receipt) -> Iterator[tuple[str, Any]]:
    told = receipt.model_dump(mode="json")
    for name in _COMPARED:
        value = told[name]
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", each) for key, each in value.items())
        else:
            yield name, value
    yield from ((f"deliveries.{each['path']}", each["sha256"]) for each in receipt.deliveries)
    yield from ((f"rules.{each['rule']}", each["rows"]) for each in receipt.rules)
