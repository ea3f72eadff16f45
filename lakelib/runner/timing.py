"""Where a run's time went, read from its receipt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakelib.runner.receipt import Receipt

__all__ = ["Part", "breakdown"]


@dataclass(frozen=True)
class Part:
    """`percent` is of the whole run."""

    part: str
    seconds: float
    percent: float
    what: str


def breakdown(receipt: Receipt) -> Sequence[Part]:
    """The run's seconds, each counted once, in the order in which a notebook spends them; they add up to the whole."""
    cells = sum(cell.seconds or 0 for cell in receipt.cells)
    total = receipt.seconds or cells
    judged = _spent(receipt.events, "Judged")
    staged = max(judged, _spent(receipt.events, "Staged"))  # a run may have died between the two
    verbs = {
        "parse": (_spent(receipt.events, "DeliverySeen"), "deliveries read, hashed and parsed"),
        "lineage": (_spent(receipt.events, "Traced"), "what each column is made of: followed, or known from before"),
        "stage": (staged - judged, "the transforms and row rules computed, written once"),
        "judge": (judged, "keys that come several times found and judged, unique values checked"),
        "audit": (_spent(receipt.events, "Audited", "Quarantined"), "broken rules counted, rejected rows kept"),
        "publish": (_spent(receipt.events, "Published"), "the Delta commit"),
    }
    notebook = cells - sum(seconds for seconds, _ in verbs.values())
    parts = {
        "kernel": (receipt.kernel_seconds or 0.0, "the notebook's process started and answered"),
        **verbs,
        "notebook": (notebook, "the rest of the cells: imports, the session, reads and plans, what is shown"),
        "runner": (total - cells - (receipt.kernel_seconds or 0.0), "papermill, messages, the archive"),
    }
    return [
        Part(name, round(seconds, 3), round(100 * seconds / total, 1) if total else 0.0, what)
        for name, (seconds, what) in parts.items()
    ]


def _spent(events: Sequence[Mapping[str, Any]], *kinds: str) -> float:
    return float(sum(event.get("seconds", 0.0) for event in events if event["event"] in kinds))
