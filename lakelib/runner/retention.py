"""What is kept, and for how long: runs in the archive, and the versions of tables that they need."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakelib.names import TableName
from lakelib.runner.archive import Archived, archived_run, receipts
from lakelib.runner.store import RunStore
from lakelib.settings import Settings

__all__ = ["Vacuumed", "prune", "vacuum"]


@dataclass(frozen=True)
class Vacuumed:
    """`files` were deleted, or would be; `kept` are the versions whose files stay for the receipts that name them."""

    table: str
    files: int
    kept: Sequence[int]


def vacuum(settings: Settings, tables: Sequence[str], *, dry_run: bool) -> Iterator[Vacuumed]:
    """Deletes files that no version of the last `keep_days` needs, nor any version that a receipt names.

    A receipt in the archive can be replayed and rolled back as long as it lies there.
    """
    from lakelib.engine.delta_log import vacuum_table, versions

    needed = _needed(settings)
    for table in tables:
        path = TableName.parse(table).path(settings.warehouse)
        kept = sorted(needed[table] & {each.version for each in versions(path)})
        files = vacuum_table(path, keep=kept, keep_days=settings.keep_days, dry_run=dry_run)
        yield Vacuumed(table, len(files), kept)


def prune(settings: Settings, store: RunStore, *, dry_run: bool) -> list[Archived]:
    """Deletes from archive and run store the runs that ended more than `keep_days` ago, save each interval's newest."""
    before = (datetime.now(UTC) - timedelta(days=settings.keep_days)).isoformat(timespec="milliseconds")
    pruned = [archived_run(row, settings.archive) for row in store.superseded(before=before)]
    if not dry_run:
        for archived in pruned:
            archived.delete()
            store.forget(archived.run_id)
    return pruned


def _needed(settings: Settings) -> dict[str, set[int]]:
    """Of each table the versions that a run in the archive read, wrote, or found before it wrote."""
    needed: dict[str, set[int]] = defaultdict(set)
    for receipt in receipts(settings.archive):
        for table, version in receipt.reads.items():
            needed[table].add(version)
        for write in receipt.writes:
            needed[write["table"]] |= {write["version"], write["version"] - 1}
    return needed
