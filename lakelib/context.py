"""The active run of this process: what it writes, in which interval, on which engine, and what it has seen so far."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self

from lakelib import events
from lakelib.contracts import Contract, load_contract
from lakelib.engine import Commit, Engine, open_engine
from lakelib.errors import UndeclaredReadError
from lakelib.intervals import Interval
from lakelib.names import TableName
from lakelib.settings import Settings, load_settings

__all__ = ["Context", "begin", "current", "end"]


@dataclass
class Context:
    """One run. `declared_reads` is what the notebook's code says it reads; None lets it read anything."""

    settings: Settings
    run_id: str
    is_interactive: bool = True
    target: TableName | None = None
    interval: Interval | None = None
    declared_reads: frozenset[str] | None = None
    started_at: datetime = field(default_factory=lambda: _in_milliseconds(datetime.now(UTC)))
    pins: dict[TableName, int] = field(default_factory=dict)
    seen: list[events.Event] = field(default_factory=list)
    commits: int = 0

    @classmethod
    def from_environment(cls) -> Self:
        """The runner says in LAKE_RUN which run this is; without it, a person is at work."""
        settings = load_settings()
        given: Mapping[str, Any] = json.loads(os.environ.get("LAKE_RUN", "{}"))
        if not given:
            return cls(settings, f"interactive-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")
        return cls(settings, given["run_id"], is_interactive=False, declared_reads=frozenset(given["reads"]))

    @cached_property
    def engine(self) -> Engine:
        return open_engine(self.settings)

    def contract(self, name: TableName) -> Contract:
        return load_contract(name, self.settings.project / "contracts")

    def path(self, name: TableName) -> str:
        return name.path(self.settings.warehouse)

    def staging(self, name: TableName) -> str:
        return str(self.settings.warehouse / "_staging" / self.run_id / str(name))

    def commit(self, purpose: str) -> Commit:
        """A label for the next commit: who made it, for which interval, from which versions of which tables.

        The same purpose at the same place in a run has the same transaction id.
        """
        self.commits += 1
        metadata: dict[str, Any] = {
            "run_id": self.run_id,
            "mode": "interactive" if self.is_interactive else "scheduled",
        }
        if self.target is not None:
            metadata["notebook"] = str(self.target)
        if self.interval is not None:
            metadata |= {"start_date": str(self.interval.start), "end_date": str(self.interval.end)}
        metadata["reads"] = {str(table): version for table, version in self.pins.items()}
        return Commit(json.dumps(metadata), f"{self.run_id}/{self.commits}/{purpose}")

    def check_declared(self, name: TableName) -> None:
        if self.declared_reads is not None and str(name) not in self.declared_reads:
            raise UndeclaredReadError(
                f"{self.target} reads {name} at run time; its code declares {', '.join(sorted(self.declared_reads))}.",
                hint=f'Write tables.read("{name}") with the name as a literal, so that the graph knows it.',
            )


_active: list[Context] = []


def begin(target: TableName, interval: Interval | None) -> Context:
    """Makes `target`'s run the active one; the engine of an earlier run in this process is kept."""
    context = Context.from_environment()
    context.target, context.interval = target, interval
    if _active and _active[-1].settings == context.settings:
        context.engine = _active[-1].engine
    end()
    _active.append(context)
    events.subscribe(context.seen.append)
    return context


def current() -> Context:
    """The active run; where none was started, an interactive one that writes nothing of its own."""
    if not _active:
        _active.append(Context.from_environment())
        events.subscribe(_active[-1].seen.append)
    return _active[-1]


def end() -> None:
    """Forgets the active run, without closing its engine."""
    while _active:
        events.unsubscribe(_active.pop().seen.append)


def _in_milliseconds(moment: datetime) -> datetime:
    """Runs are told apart by them; the microseconds are left to the deliveries of one run, which follow each other."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
