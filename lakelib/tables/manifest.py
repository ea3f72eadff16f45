"""`bronze._manifest`: a row for every delivery ever seen, with its proof and its verdict."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from lakelib import context, events
from lakelib.engine import Merge
from lakelib.names import TableName
from lakelib.tables.discarding import discard

__all__ = ["MANIFEST", "loaded_hashes", "record"]

MANIFEST: Final = TableName("bronze", "_manifest")
_SCHEMA: Final = (
    "table string, path string, delivered_on date, size_bytes bigint, sha256 string, rows bigint, verdict string, "
    "reason string, message string, drift array<string>, _run_id string, _ingested_at timestamp"
)
# A delivery that was loaded stays so; a refused one can be loaded once its contract has changed.
_ONCE: Final = Merge(
    on="s.`table` = t.`table` AND s.path = t.path AND s.sha256 = t.sha256",
    update_when="t.verdict <> 'loaded' AND s.verdict <> t.verdict",
)


def loaded_hashes(table: TableName) -> set[str]:
    """SHA-256 of the deliveries that `table` holds."""
    run = context.current()
    path = run.path(MANIFEST)
    if run.engine.version(path) is None:
        return set()
    rows = run.engine.session.read.format("delta").load(path)
    loaded = rows.where((rows["table"] == str(table)) & (rows["verdict"] == "loaded")).select("sha256").collect()
    return {row["sha256"] for row in loaded}


def record(seen: Sequence[events.DeliverySeen]) -> None:
    """Adds deliveries that the manifest does not have; a known delivery changes nothing.

    Written after the rows themselves: a process killed in between loads the same deliveries again, in their place.
    """
    if not seen:
        return
    run = context.current()
    path, folder = run.path(MANIFEST), run.staging(MANIFEST)
    rows = run.engine.session.createDataFrame([_row(each) for each in seen], _SCHEMA)
    discard(folder)
    rows.write.parquet(folder)
    run.engine.create(path, rows.schema, commit=run.commit("create"))
    run.engine.merge(folder, path, merge=_ONCE, commit=run.commit("manifest"))
    discard(folder)


def _row(seen: events.DeliverySeen) -> tuple[object, ...]:
    run = context.current()
    return (
        seen.table,
        seen.path,
        date.fromisoformat(seen.delivered_on) if seen.delivered_on else None,
        seen.size_bytes,
        seen.sha256,
        seen.rows,
        seen.verdict,
        seen.reason,
        seen.message,
        list(seen.drift),
        run.run_id,
        run.started_at,
    )
