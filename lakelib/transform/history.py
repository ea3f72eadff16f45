"""Type 2 history: each key's versions, with the time that each was in force."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakelib.contracts import HISTORY_COLUMNS

__all__ = ["current_versions", "history_from_changes", "history_from_snapshots"]

_ADDED: Final = tuple(HISTORY_COLUMNS)
_FIRST, _LAST = Window.unboundedPreceding, Window.unboundedFollowing


def history_from_snapshots(
    df: DataFrame,
    *,
    key: Sequence[str],
    tracked: Sequence[str],
    sentinels: Mapping[str, Sequence[Any]] | None = None,
    snapshot: str = "_delivered_on",
    unreadable: DataFrame | None = None,
    empty: Sequence[Any] = (),
) -> DataFrame:
    """The versions of each key in full snapshots: one snapshot a value of the column `snapshot`, a key once in each.

    A version opens where a key appears, reappears or differs in a column of `tracked` from the snapshot before (null is
    a value), and closes at the first snapshot that has another version of the key, or none. Columns that are not
    tracked have the value of the version's last snapshot. A value of `sentinels`, which may hold null, says nothing:
    the one before stands. So does a row of `unreadable`, which has the key and `snapshot`: the key was delivered, with
    values that can't be used. `empty` are snapshots that had no rows: they close all versions.

    The result depends on the rows alone, not on the order in which they came. Out: the columns of `df` without
    `snapshot`, and `_valid_from`, `_valid_to` (the first snapshot it is not in; null while current), `_is_current`.
    """
    delivered = _with_unreadable(df, unreadable, [*key, snapshot]).transform(_with_neighbours, snapshot, empty)
    by_key = Window.partitionBy(*key).orderBy(snapshot)
    is_apart = ~F.lag(snapshot).over(by_key).eqNullSafe(F.col("_snapshot_before"))
    stays = delivered.withColumn("_is_apart", is_apart.cast("int"))
    stays = stays.withColumn("_stay", F.sum("_is_apart").over(by_key))
    whole_stay = Window.partitionBy(*key, "_stay").orderBy(snapshot).rowsBetween(_FIRST, _LAST)
    readable = stays.withColumn("_stays_to", F.last("_snapshot_after").over(whole_stay)).where("_is_readable")
    told = readable.transform(_without_sentinels, sentinels or {}, by_key)
    kept = [name for name in df.columns if name != snapshot]
    return told.transform(_versions, key=key, tracked=tracked, at=snapshot).select(*kept, *_ADDED)


def history_from_changes(
    df: DataFrame, *, key: Sequence[str], tracked: Sequence[str], changed: str, is_deleted: Column
) -> DataFrame:
    """The versions of each key in change rows: the row as it is from `changed` on, a key once at each time.

    A version opens at a row that differs in a column of `tracked` from the row before, or follows a deletion, and
    closes at the next version or deletion; of a deleted row only the key counts. Columns that are not tracked have the
    value of the version's last row. The result depends on the rows alone, not on the order in which they came. Out: as
    `history_from_snapshots`, with `changed` in the place of `snapshot`.
    """
    by_key = Window.partitionBy(*key).orderBy(changed)
    is_gone = F.coalesce(is_deleted, F.lit(False))
    deleted_at = F.when(F.col("_is_deleted"), F.col(changed))
    stays = df.withColumn("_is_deleted", is_gone).withColumns(
        {
            "_stay": F.sum(F.col("_is_deleted").cast("int")).over(by_key),
            "_stays_to": F.min(deleted_at).over(by_key.rowsBetween(Window.currentRow, _LAST)),
        }
    )
    kept = [name for name in df.columns if name != changed]
    alive = stays.where(~F.col("_is_deleted"))
    return alive.transform(_versions, key=key, tracked=tracked, at=changed).select(*kept, *_ADDED)


def current_versions(df: DataFrame) -> DataFrame:
    """The versions in force, of a table with history: at most one row a key, without the columns of its time."""
    return df.where("_is_current").drop(*_ADDED)


def _with_unreadable(df: DataFrame, unreadable: DataFrame | None, names: Sequence[str]) -> DataFrame:
    readable = df.withColumn("_is_readable", F.lit(True))
    if unreadable is None:
        return readable
    others = unreadable.select(*names).distinct().join(df, list(names), "left_anti")
    return readable.unionByName(others.withColumn("_is_readable", F.lit(False)), allowMissingColumns=True)


def _with_neighbours(df: DataFrame, snapshot: str, empty: Sequence[Any]) -> DataFrame:
    """The snapshots before and after that of the row, whatever keys they hold."""
    snapshots = df.select(snapshot)
    if empty:
        snapshots = snapshots.union(df.sparkSession.createDataFrame([(each,) for each in empty], snapshots.schema))
    # One partition, said aloud: Spark warns of a window without any.
    in_order = Window.partitionBy(F.lit(0)).orderBy(snapshot)
    neighbours = {"_snapshot_before": F.lag(snapshot), "_snapshot_after": F.lead(snapshot)}
    placed = snapshots.distinct().withColumns({name: column.over(in_order) for name, column in neighbours.items()})
    return df.join(F.broadcast(placed), snapshot)


def _without_sentinels(df: DataFrame, sentinels: Mapping[str, Sequence[Any]], by_key: Any) -> DataFrame:
    """In a struct, so that a null that was delivered is told from nothing said."""
    so_far = by_key.rowsBetween(_FIRST, Window.currentRow)
    told = {
        name: F.when(~_is_sentinel(F.col(name), values), F.struct(F.col(name).alias("value")))
        for name, values in sentinels.items()
    }
    standing = {name: F.last(value, ignorenulls=True).over(so_far).getField("value") for name, value in told.items()}
    return df.select(*(standing.get(name, F.col(name)).alias(name) for name in df.columns))


def _is_sentinel(value: Column, sentinels: Sequence[Any]) -> Column:
    known = [each for each in sentinels if each is not None]
    return F.coalesce(value.isin(known), F.lit(None in sentinels))


def _versions(df: DataFrame, *, key: Sequence[str], tracked: Sequence[str], at: str) -> DataFrame:
    """Of rows in stays (`_stay`, ending at `_stays_to`): the last row of each version, with its time."""
    in_stay = Window.partitionBy(*key, "_stay").orderBy(at)
    is_first = F.lag(at).over(in_stay).isNull()
    values = F.struct(*tracked)
    is_changed = ~values.eqNullSafe(F.lag(values).over(in_stay)) if tracked else F.lit(False)
    opened = df.withColumn("_opened", F.when(is_first | is_changed, F.col(at)))
    until_now = in_stay.rowsBetween(_FIRST, Window.currentRow)
    dated = opened.withColumns(
        {
            "_valid_from": F.last("_opened", ignorenulls=True).over(until_now),
            "_valid_to": F.coalesce(F.lead(at).over(in_stay), F.col("_stays_to")),
            "_is_last": F.lead("_opened").over(in_stay).isNotNull() | F.lead(at).over(in_stay).isNull(),
        }
    )
    return dated.where("_is_last").withColumn("_is_current", F.col("_valid_to").isNull())
