"""What a load says of the deliveries that it could not take, on less than a screen however many there are."""

import shlex
from collections.abc import Sequence
from typing import Final

from lakelib.contracts import Contract
from lakelib.errors import DeliveryRefusedError
from lakelib.tables.manifest import Entry

__all__ = ["raise_for_refused"]

_MOST_REASONS: Final = 5
_MOST_NAMED: Final = 3
_MOST_TEXT: Final = 1500  # characters, of all reasons together


def raise_for_refused(seen: Sequence[Entry], contract: Contract, *, recorded: int) -> None:
    """Deliveries of one verdict and reason are told together; the manifest tells each one's own message.

    `recorded` is how many deliveries of the table it has.

    Raises:
        DeliveryRefusedError: some were refused or held, with the verdict and the reason of the first.
    """
    refused = [each for each in seen if each.verdict in ("refused", "held")]
    if not refused:
        return
    alike: dict[tuple[str, str], list[Entry]] = {}
    for each in refused:
        alike.setdefault((each.verdict, each.reason), []).append(each)
    told = list(alike.values())[:_MOST_REASONS]
    lines = [_line(group, most=_MOST_TEXT // len(told)) for group in told]
    if untold := len(refused) - sum(map(len, told)):
        lines.append(f"- and {untold} more for other reasons")
    if len(refused) > len(told):
        lines.append(f"lake deliveries {contract.name} --limit {recorded} lists each with its message.")
    others = "" if len(refused) == len(seen) else "; all others are"
    raise DeliveryRefusedError(
        f"{len(refused)} of {len(seen)} deliveries for {contract.name} could not be loaded{others}:\n"
        + "\n".join(lines),
        hint=_remedy(refused),
        reason=refused[0].reason,
        verdict=refused[0].verdict,
    )


def _line(group: Sequence[Entry], *, most: int) -> str:
    first = group[0]
    if len(group) == 1:
        return f"- {first.verdict}, {first.reason}: {_cut(first.message, most=most)}"
    names = ", ".join(each.path for each in group[:_MOST_NAMED])
    more = f" and {len(group) - _MOST_NAMED} more" if len(group) > _MOST_NAMED else ""
    texts = [each.message.replace(each.path, "…") for each in group]
    which = "" if len({*texts}) == 1 else "; the first"
    text = first.message.removeprefix(f"{first.path} is {first.verdict} ({first.reason}): ")
    return f"- {first.verdict}, {first.reason}: {len(group)} deliveries, {names}{more}{which}: {_cut(text, most=most)}"


def _cut(text: str, *, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _remedy(refused: Sequence[Entry]) -> str:
    judged = [each for each in refused if each.sha256]
    remedy = "" if len(judged) == len(refused) else "Let the user that runs lake read the files, and run again. "
    if judged:
        what = "a repaired file, or move this one" if len(judged) == 1 else "repaired files, or move these"
        remedy += f"Deliver {what} out of landing. bronze._manifest keeps the verdicts."
    if held := [each.path for each in refused if each.verdict == "held"]:
        remedy += f' If what is held is right, let it in: lake release {shlex.quote(held[0])} --reason "…".'
    return remedy.rstrip()
