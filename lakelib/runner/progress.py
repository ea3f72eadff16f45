"""What is told of notebooks while they run."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakelib.runner.results import RunResult

__all__ = ["Progress", "StartedCell"]


@dataclass(frozen=True)
class StartedCell:
    """`number` and `last` count from 1 over all cells of the source notebook."""

    table: str
    number: int
    last: int


@dataclass(frozen=True)
class Progress:
    """Told when a notebook starts, with each of its code cells that starts, and with its result when it ends."""

    running: Sequence[str]
    done: int
    total: int
    finished: RunResult | None = None
    cell: StartedCell | None = None
