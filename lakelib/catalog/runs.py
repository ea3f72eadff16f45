"""Runs as the archive's receipts tell them; nothing of the runner is needed to read one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from upath import UPath

from lakelib.errors import damaged_receipt

__all__ = ["AirflowTask", "Run", "newest_with_lineage", "read_run", "read_runs", "receipts_of"]


@dataclass(frozen=True)
class AirflowTask:
    """In one run of its DAG."""

    dag_id: str
    task_id: str
    run_id: str


@dataclass(frozen=True)
class Run:
    """One receipt that has its end, and where it lies."""

    receipt: Mapping[str, Any]
    path: UPath

    @property
    def run_id(self) -> str:
        return str(self.receipt["run_id"])

    @property
    def table(self) -> str:
        return str(self.receipt["table"])

    @property
    def status(self) -> str:
        return str(self.receipt["status"])

    @cached_property
    def started(self) -> datetime:
        return datetime.fromisoformat(self.receipt["started_at"])

    @cached_property
    def finished(self) -> datetime:
        return datetime.fromisoformat(self.receipt["finished_at"])

    @property
    def page(self) -> UPath:
        return self.path.with_suffix(".html")

    @property
    def writes(self) -> Sequence[Mapping[str, Any]]:
        return [write for write in self.receipt["writes"] if write.get("is_committed", True)]

    @property
    def airflow(self) -> AirflowTask | None:
        """The task that made it."""
        told = self.receipt.get("airflow")
        return AirflowTask(**told) if told else None

    @property
    def sources(self) -> list[str]:
        """What the code says it ingests."""
        return list(self.receipt["sources"])

    @property
    def column_lineage(self) -> Sequence[Mapping[str, Any]]:
        return self.receipt.get("column_lineage") or []

    @property
    def has_lineage(self) -> bool:
        """Whether it wrote its table, or found that nothing had to change, and was not taken back since: then what it
        told is true of the table."""
        is_written = any(write["table"] == self.table and "verb" in write for write in self.receipt["writes"])
        is_told = bool(self.column_lineage or self.sources or self.receipt["reads"])
        return is_written and is_told and self.status != "rolled back"


def receipts_of(archive: UPath) -> dict[str, UPath]:
    """Where each run's receipt lies, by its run id; run ids begin with the time the run began."""
    return {path.stem: path for path in sorted(archive.glob("*/*/*/*.json"), key=lambda path: path.name)}


def read_runs(paths: Iterable[UPath]) -> list[Run]:
    """Those that have ended, in the order of their ends."""
    ended = [run for path in paths if (run := read_run(path)) is not None]
    return sorted(ended, key=lambda run: (run.finished, run.run_id))


def read_run(path: UPath) -> Run | None:
    """None for a run that has not ended. Raises DataError where the receipt is damaged."""
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
        return Run(receipt, path) if receipt.get("finished_at") else None
    except (ValueError, AttributeError) as error:
        raise damaged_receipt(path, str(error)) from error


def newest_with_lineage(paths: Iterable[UPath]) -> dict[str, Run]:
    """Of each table, the run that began last of those that told its lineage; older receipts are not read."""
    found: dict[str, Run] = {}
    done: set[tuple[str, str]] = set()
    for path in sorted(paths, key=lambda path: path.name, reverse=True):
        table = (path.parent.parent.parent.name, path.parent.parent.name)
        if table not in done and (run := read_run(path)) is not None and run.has_lineage:
            done.add(table)
            found[run.table] = run
    return dict(sorted(found.items()))
