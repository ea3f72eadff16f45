"""From contracts and receipts into the spool, and from the spool into the sinks."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from filelock import FileLock

from lakelib.catalog.classification import classifications
from lakelib.catalog.lake import Lake
from lakelib.catalog.runs import Run, read_runs
from lakelib.catalog.spool import Spool
from lakelib.errors import CatalogError, UsageError
from lakelib.names import TableName
from lakelib.settings import Settings

if TYPE_CHECKING:
    from datahub.emitter.mcp import MetadataChangeProposalWrapper as Proposal

    from lakelib.catalog.profiling import Profile

__all__ = ["Sent", "emit", "emit_alone", "emitting", "open_spool", "status", "validate"]


@dataclass(frozen=True)
class Sent:
    """Of one sink: items that it has had (in all), that it took at this time, that wait for it, and why."""

    sink: str
    had: int
    taken: int
    waiting: int
    error: str = ""


def open_spool(settings: Settings) -> Spool:
    return Spool(settings.catalog_state / "spool.db")


def emit(settings: Settings, *, again: bool = False) -> list[Sent]:
    """Puts what is new into the spool, then sends to each sink what it has not had, in order.

    A sink that does not take an item keeps it and all after it waiting; the others go on. One process at a time. Run
    again, it sends nothing twice; `again` sends everything once more.

    Raises:
        CatalogError: metadata that DataHub would not understand; it is not put into the spool.
        UsageError: DataHub's package is not installed.
    """
    with emitting(settings):
        return emit_alone(settings, again=again)


def emitting(settings: Settings) -> FileLock:
    """Held by the one process that emits."""
    settings.catalog_state.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.catalog_state / "emit.lock")


def emit_alone(settings: Settings, *, again: bool = False) -> list[Sent]:
    """As `emit`, for a process that holds the lock."""
    _prepare()
    with open_spool(settings) as spool:
        if again:
            spool.forget_sent()
        _put_new(Lake(settings), spool)
        return [_send(sink, spool, settings) for sink in settings.catalog.sinks]


def status(settings: Settings) -> list[Sent]:
    """What each sink has had and what waits for it; nothing is sent."""
    with open_spool(settings) as spool:
        return [Sent(sink, had, 0, waiting) for sink in settings.catalog.sinks for had, waiting in [spool.counts(sink)]]


def validate(settings: Settings) -> tuple[int, list[str]]:
    """How many proposals the spool holds, and what is wrong with them."""
    _prepare()
    from lakelib.catalog.validating import faults

    with open_spool(settings) as spool:
        proposals = [proposal for item in spool.items() for proposal in item.told()]
    return len(proposals), [fault for each in proposals for fault in faults(each)]


def _prepare() -> None:
    """DataHub tells its makers of each use unless told otherwise before it is loaded."""
    if find_spec("datahub") is None:
        raise UsageError(
            "The catalog speaks by DataHub's package, which is not installed.", hint="pip install 'lakelib[datahub]'"
        )
    os.environ["DATAHUB_TELEMETRY_ENABLED"] = "false"


def _put_new(lake: Lake, spool: Spool) -> None:
    """Contracts as they are, tables whose contract is gone, then runs in the order they ended."""
    for subject, state, proposals in _new(lake, spool):
        spool.put(subject, state, content=_checked(subject, proposals))


def _new(lake: Lake, spool: Spool) -> "Iterator[tuple[str, str, Sequence[Proposal]]]":
    from lakelib.catalog.datasets import of_contract, of_gone_table
    from lakelib.catalog.processes import of_run
    from lakelib.catalog.urns import Urns

    urns = Urns(lake.settings.catalog)
    for table, contract in lake.contracts.items():
        classified = classifications(lake, table)
        digest = _digest(replace(contract, path=""), classified)
        if not spool.is_in(f"table {table}", digest):
            yield f"table {table}", digest, of_contract(contract, urns, classified=classified)
    for table, run in lake.newest.items():
        if table not in lake.contracts and not spool.is_in(f"table {table}", "gone"):
            yield f"table {table}", "gone", of_gone_table(table, urns, at=run.finished)
    unknown = (path for run_id, path in lake.receipts.items() if not spool.is_in(f"run {run_id}", "ended"))
    for run in read_runs(unknown):
        newest = lake.newest.get(run.table)
        is_newest = newest is not None and newest.run_id == run.run_id
        profile = _profile(run, lake.settings) if is_newest else None
        made = of_run(run, lake.contracts.get(run.table), urns=urns, is_newest=is_newest, profile=profile)
        yield f"run {run.run_id}", "ended", made


def _profile(run: Run, settings: Settings) -> "Profile | None":
    from lakelib.catalog.profiling import profile_of

    versions = [int(write["version"]) for write in run.writes if write["table"] == run.table]
    path = str(TableName.parse(run.table).path(settings.warehouse))
    return profile_of(path, version=versions[-1]) if versions else None


def _digest(*told: object) -> str:
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _checked(subject: str, proposals: "Sequence[Proposal]") -> str:
    from lakelib.catalog.validating import faults

    told = [proposal.to_obj(simplified_structure=True) for proposal in proposals]
    if found := [fault for each in told for fault in faults(each)]:
        raise CatalogError(
            f"The metadata of {subject} is not what DataHub's classes say: {'; '.join(found[:5])}",
            hint="This is a fault of lakelib, not of the lake; nothing of it was sent.",
        )
    return json.dumps(told)


def _send(name: str, spool: Spool, settings: Settings) -> Sent:
    from lakelib.catalog.sinks import open_sink

    taken = 0
    try:
        if spool.counts(name)[1]:
            with open_sink(name, settings) as sink:
                for item in spool.waiting(name):
                    sink.send(item)
                    spool.mark_sent(item, name)
                    taken += 1
    except CatalogError as error:
        return Sent(name, *_counted(spool, name, taken), error=str(error))
    return Sent(name, *_counted(spool, name, taken))


def _counted(spool: Spool, name: str, taken: int) -> tuple[int, int, int]:
    had, waiting = spool.counts(name)
    return had, taken, waiting
