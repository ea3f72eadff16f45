"""Taking runs back: every table that they wrote becomes what it was before them, and what happened stays on record."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from upath import UPath

from lakelib.errors import UsageError
from lakelib.files import write_whole
from lakelib.names import TableName, tables_of, user_name
from lakelib.runner.archive import archived_run
from lakelib.runner.resuming import EVER
from lakelib.runner.secrets import Scrubber
from lakelib.runner.store import RunStore
from lakelib.settings import Settings

if TYPE_CHECKING:
    from lakelib.engine import Version

__all__ = ["Rollback", "carry_out", "plan_rollback", "plan_rollback_to"]


@dataclass(frozen=True)
class Rollback:
    """What is taken back: `runs`, by restoring each table to its version in `tables`.

    It is written to the archive before anything is restored: whoever finds it unfinished finishes it.
    """

    id: str
    asked: str
    tables: Mapping[str, int]
    runs: Sequence[str]
    by: str
    at: str
    finished_at: str | None = None


@dataclass(frozen=True)
class _Entry:
    """One commit of a table: its number, its run, and the versions of other tables that it was made from.

    `restored`: the earlier version that it went back to.
    """

    version: int
    run_id: str
    reads: Mapping[str, int]
    at: datetime
    restored: int | None


_Histories = Mapping[str, Sequence[_Entry]]


def plan_rollback(run_id: str, settings: Settings, *, with_dependants: bool) -> Rollback:
    """What has to be restored to take the run back, with all that came after it where `with_dependants` says so.

    Raises:
        UsageError: the run wrote nothing that is still there, or other runs wrote to its tables or read them since.
    """
    if unfinished := _unfinished(run_id, settings):
        return unfinished
    histories = {table: _live(told) for table, told in _histories(settings).items()}
    tables, runs = _undone({run_id}, histories)
    if not tables:
        raise UsageError(
            f"Run {run_id} was to be taken back; no table holds a commit of it that was not taken back already.",
            hint="`lake history TABLE` names the run of each commit.",
        )
    others = sorted(runs - {run_id})
    if others and not with_dependants:
        raise UsageError(
            f"Run {run_id} was to be taken back; {len(others)} commits came after it in its tables or were made from "
            f"them, of the runs {', '.join(others)}.",
            hint="--with-dependants takes these back, too.",
        )
    return _planned(run_id, tables, runs)


def plan_rollback_to(moment: datetime, settings: Settings) -> Rollback:
    """What has to be restored so that each table is as it was at that moment; one that was not there is empty."""
    asked = moment.isoformat()
    if unfinished := _unfinished(asked, settings):
        return unfinished
    histories = _histories(settings)
    later = {table: [each for each in told if each.at > moment] for table, told in histories.items()}
    tables = {table: max(min(each.version for each in told) - 1, 0) for table, told in later.items() if told}
    if not tables:
        raise UsageError(f"The lake was to be as it was at {asked}; no table was written since.")
    return _planned(asked, tables, {each.run_id for told in histories.values() for each in _live(told, since=moment)})


def carry_out(rollback: Rollback, *, settings: Settings, store: RunStore) -> None:
    """Restores each table, one commit each, and says so in the runs' receipts. Doing it again changes nothing.

    Raises:
        UsageError: a run is at work on one of the tables.
        EngineError: a version is gone.
    """
    at_work = [row["run_id"] for row in store.running() if row["table_name"] in rollback.tables]
    if at_work:
        raise UsageError(f"{', '.join(at_work)} is at work on a table that was to be restored.", hint="Wait for it.")
    _save(rollback, settings)
    for table, version in rollback.tables.items():
        _restore(table, version, rollback, settings)
    for run_id in rollback.runs:
        _mark(run_id, rollback, settings, store)
    _save(replace(rollback, finished_at=_now()), settings)


def _undone(runs: set[str], histories: _Histories) -> tuple[dict[str, int], set[str]]:
    """The version to restore of each table, and all runs that are taken back by it: `runs` and what came after."""
    undone: set[str] = set()
    tables: dict[str, int] = {}
    while undone != runs:
        undone = set(runs)
        for table, told in histories.items():
            if own := [each.version for each in told if each.run_id in undone]:
                tables[table] = min(own) - 1
        runs = undone | {
            each.run_id
            for table, told in histories.items()
            for each in told
            if each.version > tables.get(table, each.version) or _is_made_from(each, tables)
        }
    return {table: max(version, 0) for table, version in tables.items()}, undone


def _is_made_from(entry: _Entry, tables: Mapping[str, int]) -> bool:
    return any(entry.reads.get(table, version) > version for table, version in tables.items())


def _histories(settings: Settings) -> dict[str, list[_Entry]]:
    """The commits of every table, oldest first.

    The platform's own are left out: bronze loads again what its table lacks, whatever the manifest says.
    """
    from lakelib.engine.delta_log import versions

    return {
        str(name): [_entry(each) for each in reversed(versions(name.path(settings.warehouse)))]
        for name in tables_of(settings.warehouse)
        if not name.table.startswith("_")
    }


def _entry(version: "Version") -> _Entry:
    made = version.made_by
    run_id, reads = made.get("run_id", "of another writer"), made.get("reads", {})
    return _Entry(version.version, run_id, reads, version.timestamp, version.restored)


def _live(told: Sequence[_Entry], *, since: datetime = EVER) -> list[_Entry]:
    """The commits whose work the table still holds: none that a restore took back, and no restore."""
    live: list[_Entry] = []
    held: dict[int, list[_Entry]] = {}
    for entry in told:
        live = [*live, entry] if entry.restored is None else held.get(entry.restored, [])
        held[entry.version] = live
    return [entry for entry in live if entry.at > since]


def _restore(table: str, version: int, rollback: Rollback, settings: Settings) -> None:
    from lakelib.engine import Commit
    from lakelib.engine.delta_log import existing_table, has_transaction, restore_table

    path = TableName.parse(table).path(settings.warehouse)
    commit = Commit(json.dumps({"run_id": rollback.id, "mode": "rollback"}), f"{rollback.id}/{table}")
    if not has_transaction(path, commit.transaction):
        restore_table(existing_table(path), version=version, commit=commit)


def _mark(run_id: str, rollback: Rollback, settings: Settings, store: RunStore) -> None:
    row = store.get(run_id)
    archived = archived_run(row, settings.archive) if row else None
    if archived is not None and archived.receipt.exists() and archived.notebook.exists():
        remark = f"taken back by {rollback.by} at {rollback.at}, {rollback.id}"
        receipt = archived.read_receipt().model_copy(update={"status": "rolled back", "remark": remark})
        store.record(archived.save_receipt(receipt, Scrubber([])))
        archived.render_page()


def _planned(asked: str, tables: Mapping[str, int], runs: set[str]) -> Rollback:
    name = f"rollback-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    return Rollback(name, asked, dict(sorted(tables.items())), sorted(runs), user_name(), _now())


def _unfinished(asked: str, settings: Settings) -> Rollback | None:
    records = (Rollback(**json.loads(path.read_text())) for path in sorted(_folder(settings).glob("*.json")))
    return next((each for each in records if each.asked == asked and each.finished_at is None), None)


def _save(rollback: Rollback, settings: Settings) -> None:
    write_whole(_folder(settings) / f"{rollback.id}.json", json.dumps(asdict(rollback), indent=1))


def _folder(settings: Settings) -> UPath:
    return settings.archive / "rollbacks"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
