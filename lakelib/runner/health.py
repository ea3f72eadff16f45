"""How the lake does at this moment: what failed, is held, is late, runs, or is stuck."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lakelib.contracts import load_contract
from lakelib.errors import ContractError, ContractNotFoundError, DeliveryRefusedError, UsageError
from lakelib.names import TableName
from lakelib.runner.archive import archived_run
from lakelib.runner.facts import Notebook, find_notebooks
from lakelib.runner.order import select, upstream_graph
from lakelib.runner.parameters import Request, resolve
from lakelib.runner.promises import UNITS, promised_age
from lakelib.runner.receipt import Asked, interval_name
from lakelib.runner.store import RunStore, is_silent
from lakelib.settings import Settings

__all__ = ["TableHealth", "look"]


@dataclass(frozen=True)
class TableHealth:
    """One table. `problems` are messages by kind: stuck, unfinished, failed, held, contract, late; none if all is well.

    `succeeded_at` is when its newest successful run ended, `promised` the oldest that the contract lets it be.
    """

    table: str
    succeeded_at: datetime | None = None
    promised: timedelta | None = None
    running: Sequence[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The first problem's kind, or running, ok, never run."""
        if self.problems:
            return next(iter(self.problems))
        if self.running:
            return "running"
        return "ok" if self.succeeded_at else "never run"


def look(settings: Settings, store: RunStore) -> list[TableHealth]:
    """The health of each table that a notebook writes, in the order of layers and names.

    A table fails as long as the newest run of one of its intervals did. It is late when its newest successful run ended
    longer ago than its contract promises by a service level named freshness, latency or frequency.
    """
    rows = store.unsuccessful()
    running = store.running()
    ends = store.newest_successes()
    notebooks = find_notebooks(settings.project)
    unfinished = _unfinished(notebooks, store)
    return [
        _health(
            notebook.table,
            settings,
            unsuccessful=[row for row in rows if row["table_name"] == str(notebook.table)],
            running=[row for row in running if row["table_name"] == str(notebook.table)],
            unfinished=[str(each.interval or "undated") for each in unfinished if each.notebook == notebook],
            succeeded_at=ends.get(str(notebook.table)),
        )
        for notebook in notebooks
    ]


def _health(
    table: TableName,
    settings: Settings,
    *,
    unsuccessful: Sequence[Mapping[str, Any]],
    running: Sequence[Mapping[str, Any]],
    unfinished: Sequence[str],
    succeeded_at: datetime | None,
) -> TableHealth:
    promised, refused = None, ""
    try:
        promised = promised_age(load_contract(table, settings.project / "contracts"))
    except ContractNotFoundError:
        pass
    except ContractError as error:
        refused = str(error)
    silent = [f"{row['run_id']} was not heard of since {row['seen_at']}" for row in running if is_silent(row)]
    waiting = [f"{interval}: the runner ended before this began" for interval in unfinished]
    problems = {"stuck": "; ".join(silent), "unfinished": "; ".join(waiting), **_failures(unsuccessful, settings)}
    problems["contract"] = refused
    age = datetime.now(UTC) - succeeded_at if succeeded_at else None
    if promised and age and age > promised:
        problems["late"] = f"last succeeded {_duration(age)} ago, promised every {_duration(promised)}"
    return TableHealth(
        str(table),
        succeeded_at=succeeded_at,
        promised=promised,
        running=[row["run_id"] for row in running],
        problems={kind: message for kind, message in problems.items() if message},
    )


def _unfinished(notebooks: Sequence[Notebook], store: RunStore) -> list[Request]:
    """The work of lines whose runner was killed that nobody has begun since."""
    found: list[Request] = []
    for line in store.unfinished():
        for request in _requests(notebooks, Asked.model_validate_json(line["asked"])):
            newest = store.newest_of(str(request.notebook.table), request.interval)
            if newest is None or newest["started_at"] < line["started_at"]:
                found.append(request)
    return found


def _requests(notebooks: Sequence[Notebook], asked: Asked) -> list[Request]:
    with suppress(UsageError):  # since then notebooks went, or have other parameters
        graph = upstream_graph(notebooks)
        chosen = select(notebooks, asked.selection, graph=graph, with_upstream=asked.with_upstream)
        return resolve(chosen, interval=asked.interval, given=asked.parameters)
    return []


def _failures(rows: Sequence[Mapping[str, Any]], settings: Settings) -> dict[str, str]:
    """Failed runs; those that only wait for a person to release a delivery are held."""
    failed: list[str] = []
    held: list[str] = []
    for row in rows:
        place = f"{interval_name(row['start_date'], row['end_date'])}: {row['error_kind']} in run {row['run_id']}"
        (held if _is_held(row, settings) else failed).append(place)
    return {"failed": "; ".join(failed), "held": "; ".join(held)}


def _is_held(row: Mapping[str, Any], settings: Settings) -> bool:
    archived = archived_run(row, settings.archive)
    if row["error_kind"] != DeliveryRefusedError.__name__ or not archived.receipt.exists():
        return False
    verdicts = {delivery["verdict"] for delivery in archived.read_receipt().deliveries}
    return "held" in verdicts and "refused" not in verdicts


def _duration(span: timedelta) -> str:
    """In the largest unit of which there are two."""
    seconds = span.total_seconds()
    unit = next((unit for unit in "dhm" if seconds >= 2 * UNITS[unit].total_seconds()), "s")
    return f"{seconds / UNITS[unit].total_seconds():.0f} {unit}"
