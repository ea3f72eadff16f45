"""What happened in a run, told the moment it happens.

Verbs publish events; whoever wants to know subscribes. A verb knows no listener and a listener changes no verb.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Final, get_args

__all__ = [
    "Audited",
    "ColumnFlow",
    "DeliverySeen",
    "Event",
    "FilesIgnored",
    "Judged",
    "Listener",
    "Published",
    "Quarantined",
    "RuleOutcome",
    "RunStarted",
    "SecretRead",
    "Staged",
    "TableRead",
    "Traced",
    "as_dict",
    "is_event",
    "publish",
    "subscribe",
    "unsubscribe",
]


@dataclass(frozen=True)
class RunStarted:
    run_id: str
    table: str
    start: str
    end: str
    engine: str
    is_interactive: bool


@dataclass(frozen=True)
class TableRead:
    """`version` is the Delta version that was pinned; every read of the table in this run sees it."""

    table: str
    version: int


@dataclass(frozen=True)
class DeliverySeen:
    """One delivered file. `verdict`: loaded, known (these bytes were loaded before), refused or held."""

    table: str
    path: str
    delivered_on: str
    size_bytes: int
    sha256: str
    rows: int
    verdict: str
    reason: str = ""
    message: str = ""
    drift: Sequence[str] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class FilesIgnored:
    """Files beside a source's deliveries whose names do not fit its pattern: how many, and the first of them."""

    table: str
    pattern: str
    count: int
    first: Sequence[str]


@dataclass(frozen=True)
class Staged:
    table: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class Judged:
    """How many keys had to be looked at: those of several rows. `seconds` are part of those of `Staged`."""

    table: str
    keys: int
    seconds: float


@dataclass(frozen=True)
class ColumnFlow:
    """From a column of a source into a column of the staged rows, or into whether and how there are rows ("*").

    `how`: identity, transformation or aggregation of what flows; condition, filter, group, join, sort or window of
    what decides. `version` is -1 where none was pinned.
    """

    column: str
    source: str
    source_column: str
    version: int
    how: str


@dataclass(frozen=True)
class Traced:
    """What the columns of staged rows are made of. `unresolved`: what could not be followed exactly.

    `is_kept`: the plan and its sources' columns are those of an earlier run, and so is the lineage.
    """

    table: str
    flows: Sequence[ColumnFlow]
    influences: Sequence[ColumnFlow]
    unresolved: Sequence[str] = ()
    is_kept: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class RuleOutcome:
    rule: str
    level: str
    rows: int


@dataclass(frozen=True)
class Audited:
    """Where each staged row goes: accepted + quarantined + superseded + duplicates = rows staged."""

    table: str
    accepted: int
    quarantined: int
    superseded: int
    duplicates: int
    rules: Sequence[RuleOutcome] = field(default=())
    seconds: float = 0.0


@dataclass(frozen=True)
class Quarantined:
    """`table` is the quarantine's own name; `rows` those that were not there before."""

    table: str
    rows: int
    version: int
    seconds: float = 0.0


@dataclass(frozen=True)
class Published:
    """`version` is the table's Delta version after the write; `is_committed` is false when nothing had to change."""

    table: str
    verb: str
    version: int
    inserted: int
    updated: int
    deleted: int
    is_committed: bool
    seconds: float


@dataclass(frozen=True)
class SecretRead:
    """A secret reference was resolved; the value itself never travels."""

    reference: str


Event = (
    RunStarted
    | TableRead
    | DeliverySeen
    | FilesIgnored
    | Traced
    | Staged
    | Judged
    | Audited
    | Quarantined
    | Published
    | SecretRead
)
Listener = Callable[[Event], None]

_NEEDED: Final = {
    kind.__name__: {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
    for kind in get_args(Event)
}
_listeners: list[Listener] = []


def subscribe(listener: Listener) -> None:
    _listeners.append(listener)


def unsubscribe(listener: Listener) -> None:
    _listeners.remove(listener)


def publish(event: Event) -> None:
    for listener in tuple(_listeners):
        listener(event)


def as_dict(event: Event) -> Mapping[str, Any]:
    """Plain JSON types, with the event's class name under `event`."""
    return {"event": type(event).__name__, **asdict(event)}


def is_event(told: object) -> bool:
    """Whether it has the shape of what `as_dict` gives: a notebook may say anything else by the same way."""
    return isinstance(told, Mapping) and _NEEDED.get(str(told.get("event")), {""}) <= told.keys()
