"""Where the time of our runs goes, read from the receipts that they leave behind."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

__all__ = ["PARTS", "parts_of", "seconds_by_part", "show_parts"]

PARTS: Final = {
    "imports": "the notebooks' first cells",
    "engine": "start(): a session on the engine",
    "parse": "deliveries read, hashed, proven, and written as Parquet of text columns",
    "staging": "the transform computed with the rules and verdicts beside it, written as Parquet; their counts",
    "audit": "broken rules counted, rejected rows to quarantine, the batch's rules",
    "publish": "the Delta commit from the staged rows",
    "other": "the rest of the cells: plans, reads, manifest",
    "runner": "what a notebook takes beside its cells: kernel, saves, page, receipt",
}
_BY_EVENT: Final = {"Staged": "staging", "Audited": "audit", "Published": "publish"}
_IMPORTS, _START = 0, 2


def seconds_by_part(archive: Path) -> Mapping[str, float]:
    """Summed over all runs of an archive. Notebooks run beside each other, so the sum is more than the wall time."""
    spent = dict.fromkeys(PARTS, 0.0)
    for receipt in archive.rglob("*.json"):
        for part, seconds in parts_of(json.loads(receipt.read_text(encoding="utf-8"))).items():
            spent[part] += seconds
    return {f"{part}_s": round(spent[part], 3) for part in PARTS}


def parts_of(receipt: Mapping[str, Any]) -> Mapping[str, float]:
    """Seconds of one run by part; together they are the run's own seconds."""
    cells = [float(cell["seconds"] or 0) for cell in receipt["cells"]]
    events = receipt["events"]
    spent = {"imports": cells[_IMPORTS], "engine": cells[_START]}
    for event in events:
        if part := _BY_EVENT.get(event["event"]):
            spent[part] = spent.get(part, 0.0) + event["seconds"]
    left = sum(cells) - sum(spent.values())
    is_load = any(event["event"] == "DeliverySeen" for event in events)
    return {**spent, "parse" if is_load else "other": left, "runner": receipt["seconds"] - sum(cells)}


def show_parts(cases: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """The first sample of each of our cases, a part a line."""
    table = Table(title="Where our time goes: seconds of all notebooks together", title_justify="left")
    for heading in ("part", *cases, "what it is"):
        table.add_column(heading, justify="right" if heading in cases else "left")
    for part, meaning in PARTS.items():
        table.add_row(part, *(f"{samples[0][f'{part}_s']:.2f}" for samples in cases.values()), meaning)
    Console(highlight=False).print(table)
