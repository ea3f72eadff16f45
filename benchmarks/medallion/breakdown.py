"""Where the time of our runs goes, read from the receipts that they leave behind, as `lake show RUN --timing` does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from lakelib.runner.receipt import Receipt
from lakelib.runner.timing import breakdown

__all__ = ["seconds_by_part", "show_parts"]

# Deliveries read, transforms computed and written once, the newest row of each key (the peers' window), commits.
_WORK: Final = ("parse", "stage", "judge", "publish")


def seconds_by_part(archive: Path) -> Mapping[str, float]:
    """Summed over all runs of an archive. Notebooks run beside each other, so the sum is more than the wall time."""
    spent: dict[str, float] = {}
    for path in archive.rglob("*.json"):
        for part in breakdown(Receipt.model_validate_json(path.read_bytes())):
            spent[part.part] = spent.get(part.part, 0.0) + part.seconds
    return {f"{name}_s": round(seconds, 3) for name, seconds in spent.items()}


def show_parts(cases: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """The first sample of each of our cases, a part a line."""
    table = Table(title="Where our time goes: seconds of all notebooks together", title_justify="left")
    table.add_column("part")
    for case in cases:
        table.add_column(case, justify="right")
    for part in next(iter(cases.values()))[0]:
        table.add_row(part.removesuffix("_s"), *(f"{samples[0][part]:.2f}" for samples in cases.values()))
    table.add_row("platform, %", *(f"{_share_of_platform(samples[0]):.1f}" for samples in cases.values()), style="bold")
    Console(highlight=False).print(table)


def _share_of_platform(seconds: Mapping[str, float]) -> float:
    """Of all parts, what is beside the work itself, in percent."""
    return 100 - 100 * sum(seconds[f"{part}_s"] for part in _WORK) / sum(seconds.values())
