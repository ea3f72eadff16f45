"""The receipt: what one run was asked to do, what it read, checked and wrote, and how it ended."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from nbformat import NotebookNode
from pydantic import BaseModel, ConfigDict, Field

from lakelib.engine.limits import missing_on_embedded
from lakelib.engine.losses import is_lost, lost_engine
from lakelib.intervals import Interval
from lakelib.runner.process import Process
from lakelib.runner.scraps import published_events

__all__ = [
    "Asked",
    "Cell",
    "ColumnLineage",
    "Failure",
    "Git",
    "Lineage",
    "Receipt",
    "Rows",
    "Status",
    "finish",
    "interval_name",
]

Status = Literal["running", "succeeded", "failed", "cancelled", "killed", "skipped", "rolled back"]
FORMAT: Final = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Git(_Part):
    revision: str
    is_dirty: bool = Field(description="the project's folder held changes that the revision does not")


class Rows(_Part):
    """Of the run's own table. staged = accepted + quarantined + superseded + duplicates."""

    staged: int = Field(default=0, description="rows the notebook handed to its verb")
    published: int = Field(
        default=0, description="rows inserted or updated in the table; 0 when a rerun changes nothing"
    )
    quarantined: int = 0
    superseded: int = Field(default=0, description="older reports of a key that was reported again")
    duplicates: int = 0


class Lineage(_Part):
    """One edge; `source` is a table's name, or what an `ingest` verb was asked for."""

    kind: Literal["table", "source"]
    source: str
    target: str


class ColumnLineage(_Part):
    """One edge between columns; `column` is "*" for what decides about all rows of the target, `version` Delta's."""

    target: str
    column: str
    source: str
    source_column: str
    version: int | None
    how: str = Field(
        description="identity, transformation, aggregation: it flows; condition, filter, group, join, sort, window: "
        "it decides"
    )


class Cell(_Part):
    """`number` counts from 1 over all cells of the archived notebook."""

    number: int
    status: str
    seconds: float | None


class Failure(_Part):
    """`kind` is the exception's class; `cell` counts from 1 over all cells of the source notebook."""

    kind: str
    message: str
    cell: int | None = None
    is_transient: bool = Field(default=False, description="the same work may succeed when it is done again")


class Asked(_Part):
    """What the runner was asked for when it started this run: the whole line, of which this is one notebook."""

    selection: Sequence[str] = ()
    start_date: str | None = None
    end_date: str | None = None
    parameters: Mapping[str, str] = {}
    with_upstream: bool = False

    @property
    def interval(self) -> Interval | None:
        return Interval.parse(self.start_date, self.end_date) if self.start_date and self.end_date else None


class Receipt(_Part):
    """JSON beside the executed notebook; written when the run starts, and again when it ends in whatever way.

    `events` are lakelib's events as they left the kernel; `reads`, `deliveries`, `writes`, `rows`, `rules` and
    `lineage` are read from them. Times are ISO text in UTC. Everything is scrubbed of secrets.
    """

    format: int = FORMAT
    run_id: str
    table: str
    title: str
    status: Status = "running"
    start_date: str | None = Field(description="first day of the interval; None for a notebook without one")
    end_date: str | None
    parameters: Mapping[str, Any] = Field(description="every parameter with the value it had")
    notebook: str = Field(description="path below the project")
    code_sha256: str = Field(description="of the code cells' sources, joined by blank lines")
    modules: Mapping[str, str] = Field(
        default={}, description="the project's own modules that the code imports: path below the project, SHA-256"
    )
    contract_sha256: str | None = Field(default=None, description="of the contract's file")
    git: Git | None = None
    lock_sha256: str | None = Field(default=None, description="of requirements.lock")
    engine: str
    versions: Mapping[str, str] = Field(description="installed versions of Python, lakelib and the engine's parts")
    sources: Sequence[str] = Field(default=(), description="what the code says it ingests")
    runner: Process = Field(description="who ran it; a run whose runner is gone was killed")
    asked: Asked = Asked()
    airflow: Mapping[str, str] = Field(default={}, description="dag_id, task_id and run_id of the task that made it")
    attempt: int = Field(default=1, description="counts the runs that were made because one before failed")
    started_at: str
    finished_at: str | None = None
    seconds: float | None = None
    kernel_seconds: float | None = Field(default=None, description="until the kernel was ready, part of `seconds`")
    reads: Mapping[str, int] = Field(default={}, description="each table read, with the pinned Delta version")
    deliveries: Sequence[Mapping[str, Any]] = ()
    writes: Sequence[Mapping[str, Any]] = Field(
        default=(), description="each Delta commit: table, verb, version, row counts"
    )
    rows: Rows = Rows()
    rules: Sequence[Mapping[str, Any]] = Field(
        default=(), description="each rule with its level and the rows that broke it"
    )
    lineage: Sequence[Lineage] = ()
    column_lineage: Sequence[ColumnLineage] = ()
    lineage_unresolved: Sequence[str] = Field(
        default=(), description="what column lineage could not follow: there it says too much, never too little"
    )
    cells: Sequence[Cell] = ()
    error: Failure | None = None
    remark: str = Field(default="", description="what a person should look at though nothing failed")
    events: Sequence[Mapping[str, Any]] = ()

    @property
    def interval(self) -> str:
        """As in the archive's path: a day, two days with two dots between, or `undated`."""
        return interval_name(self.start_date, self.end_date)


def interval_name(start_date: str | None, end_date: str | None) -> str:
    if start_date is None:
        return "undated"
    return start_date if start_date == end_date else f"{start_date}..{end_date}"


def finish(
    receipt: Receipt, notebook: NotebookNode, *, status: Status, error: Failure | None, seconds: float | None = None
) -> Receipt:
    """The receipt completed from the executed notebook, however far that got.

    `seconds` is how long the run took; without it, what the clock says. An error about what the embedded engine lacks
    gets a hint.
    """
    events = published_events(notebook)
    if error is not None:
        error = _with_engine_hint(error) if receipt.engine == "embedded" else _of_engine(error)
    is_written = _of(_own(events, receipt.table), "Published")
    started_at = datetime.fromisoformat(receipt.started_at)
    if seconds is None:
        seconds = max((datetime.now(UTC) - started_at).total_seconds(), 0.0)
    return receipt.model_copy(
        update={
            "status": status,
            "finished_at": (started_at + timedelta(seconds=seconds)).isoformat(timespec="milliseconds"),
            "seconds": round(seconds, 3),
            "reads": {event["table"]: event["version"] for event in _of(events, "TableRead")},
            "deliveries": [_without_kind(event) for event in _of(events, "DeliverySeen")],
            "writes": [_without_kind(event) for event in _of(events, "Published", "Quarantined")],
            "rows": _rows(events, receipt.table),
            "rules": [rule for event in _of(events, "Audited") for rule in event["rules"]],
            "lineage": _lineage(events, receipt),
            "column_lineage": [edge for event in _of(events, "Traced") for edge in _column_lineage(event)],
            "lineage_unresolved": [each for event in _of(events, "Traced") for each in event["unresolved"]],
            "cells": [_cell(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"],
            "error": error,
            "remark": "" if error or is_written else f"wrote nothing to {receipt.table}",
            "events": events,
        }
    )


def _of(events: Sequence[Mapping[str, Any]], *kinds: str) -> list[Mapping[str, Any]]:
    return [event for event in events if event["event"] in kinds]


def _without_kind(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != "event"}


def _own(events: Sequence[Mapping[str, Any]], table: str) -> list[Mapping[str, Any]]:
    return [event for event in events if event.get("table") == table]


def _with_engine_hint(error: Failure) -> Failure:
    missing = missing_on_embedded(error.kind, error.message)
    if not missing:
        return error
    hint = f"The embedded engine has no {missing}. Set engine: spark in conf/, or run it with --engine spark."
    return error.model_copy(update={"message": f"{error.message}\nHint: {hint}"})


def _of_engine(error: Failure) -> Failure:
    """Ours, where the client's own error only says that the server is gone."""
    if not is_lost(error.message):
        return error
    lost = lost_engine(said=error.message)
    return error.model_copy(update={"kind": type(lost).__name__, "message": str(lost), "is_transient": True})


def _rows(events: Sequence[Mapping[str, Any]], table: str) -> Rows:
    own = _own(events, table)
    audits, publications = _of(own, "Audited"), _of(own, "Published")
    return Rows(
        staged=sum(event["rows"] for event in _of(own, "Staged")),
        published=sum(event["inserted"] + event["updated"] for event in publications),
        quarantined=sum(event["quarantined"] for event in audits),
        superseded=sum(event["superseded"] for event in audits),
        duplicates=sum(event["duplicates"] for event in audits),
    )


def _lineage(events: Sequence[Mapping[str, Any]], receipt: Receipt) -> list[Lineage]:
    read = dict.fromkeys(event["table"] for event in _of(events, "TableRead"))
    tables = [Lineage(kind="table", source=table, target=receipt.table) for table in read if table != receipt.table]
    return tables + [Lineage(kind="source", source=source, target=receipt.table) for source in receipt.sources]


def _column_lineage(traced: Mapping[str, Any]) -> list[ColumnLineage]:
    return [
        ColumnLineage(**flow | {"target": traced["table"], "version": None if flow["version"] < 0 else flow["version"]})
        for flow in (*traced["flows"], *traced["influences"])
    ]


def _cell(number: int, cell: NotebookNode) -> Cell:
    bookkeeping = cell.metadata.get("papermill", {})
    return Cell(number=number, status=bookkeeping.get("status") or "pending", seconds=bookkeeping.get("duration"))
