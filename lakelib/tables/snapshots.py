"""Tables with history (type 2), from the full snapshots that a source delivers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from lakelib import context
from lakelib.contracts import HISTORY_COLUMNS, Column, Contract
from lakelib.engine import Merge
from lakelib.engine.staged_files import parquet_options, staged_rows
from lakelib.errors import SchemaError
from lakelib.quality import ACCEPTED, QUARANTINED
from lakelib.tables.discarding import discard
from lakelib.tables.manifest import entries
from lakelib.tables.publishing import (
    check_gone,
    check_key,
    check_target,
    differs,
    publish,
    publish_nothing,
)
from lakelib.tables.staging import Staged, check_given, check_table, stage, unstage
from lakelib.transform import history_from_snapshots, newest_delivery_of_each_day

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["snapshot"]

_DAY: Final = "snapshot_on"


def snapshot(df: "DataFrame", contract: Contract) -> None:
    """The table becomes the history of its keys (`history_from_snapshots`) in all snapshots of `df`.

    `df` holds every snapshot there is, told apart by `_delivered_on`; of several of one day, the one ingested last
    counts. The contract says `keepsHistory`, and of its columns which are not `tracked` and which have `sentinels`. A
    snapshot that came late or again is put where it belongs: versions that it does not touch are left alone, and a
    rerun makes no commit. A row that breaks a rule goes to quarantine, and its key keeps the version it had.

    A snapshot that came empty and was released closes all versions: `bronze._manifest` tells of it, for the bronze
    table that the rows came from by their `_source_sha256`.

    Raises:
        SchemaError: the contract does not say `keepsHistory`, or `df` has no delivery dates.
        RuleError: more keys than the contract's `mostGonePercent` would be in no snapshot any more.
    """
    check_given(df, contract)
    check_key(contract, "snapshot")
    check_target(contract)
    _check_history(df, contract)
    check_table(contract)
    day = _name_of_day([*df.columns, *contract.column_names])
    snapshots = stage(df.transform(_by_day, day), _of_snapshots(contract, day), written_to=contract)
    if not snapshots.rows(ACCEPTED):
        publish_nothing(contract, verb="snapshot")
        return
    history = _history(snapshots, contract, day=day)
    check_gone(history, contract)
    merge = Merge(
        key=(*contract.key, "_valid_from"),
        update_when=differs([*contract.column_names, *HISTORY_COLUMNS]),
        is_deleting_missing=True,
    )
    publish(contract, partial(context.current().engine.merge, history.accepted, merge=merge), verb="snapshot")
    discard(history.folder)
    unstage(snapshots)


def _check_history(df: "DataFrame", contract: Contract) -> None:
    if not contract.keeps_history:
        raise SchemaError(
            f"snapshot was asked for {contract.name}, whose contract does not say that it keeps history.",
            hint=f"Set the custom property `keepsHistory: true` of the table in {contract.path}.",
        )
    is_dated = {"_delivered_on", "_ingested_at"} <= set(df.columns)
    if not is_dated or df.where("_delivered_on IS NULL").limit(1).count():
        raise SchemaError(
            f"snapshot was asked for {contract.name}; its rows do not say which snapshot they are of.",
            hint="Keep the columns `_delivered_on` and `_ingested_at` of the bronze table; snapshots have a date in "
            "their file's name.",
        )


def _name_of_day(columns: Sequence[str]) -> str:
    taken, name = {column.lower() for column in columns}, _DAY
    while name in taken:
        name += "_"
    return name


def _by_day(df: "DataFrame", day: str) -> "DataFrame":
    """As a column of its own, the day is of the snapshot's key, and seen in quarantine."""
    from pyspark.sql import functions as F

    return df.transform(newest_delivery_of_each_day).withColumn(day, F.col("_delivered_on"))


def _of_snapshots(contract: Contract, day: str) -> Contract:
    """The promises for the rows that are staged: each key once a snapshot."""
    column = Column(day, "date", is_required=True, key=1 + len(contract.key))
    return replace(contract, columns=(*contract.columns, column))


def _history(snapshots: Staged, contract: Contract, *, day: str) -> Staged:
    """The versions of the sound rows, written beside them."""
    session = context.current().engine.session
    sound = session.read.parquet(snapshots.accepted)
    empty = _empty_snapshots(sound)
    versions = sound.transform(_without_emptied, empty, day).transform(
        history_from_snapshots,
        key=contract.key,
        tracked=[column.name for column in contract.columns if column.is_tracked and not column.key],
        sentinels={column.name: column.sentinels for column in contract.columns if column.sentinels},
        snapshot=day,
        empty=list(empty),
        unreadable=session.read.parquet(f"{snapshots.folder}/_verdict={QUARANTINED}").transform(
            _without_emptied, empty, day
        )
        if snapshots.rows(QUARANTINED)
        else None,
    )
    folder = f"{snapshots.folder}.history"
    discard(folder)
    written = f"{folder}/_verdict={ACCEPTED}"
    versions.write.options(**parquet_options(column.type for column in contract.columns)).parquet(written)
    return Staged(folder, {ACCEPTED: staged_rows(written)}, doubtful=0)


def _empty_snapshots(rows: "DataFrame") -> dict[date, datetime]:
    """The days of the deliveries without rows, and when each was loaded, of the tables that the rows came from."""
    if "_source_sha256" not in rows.columns:
        return {}
    files = {row[0] for row in rows.select("_source_sha256").distinct().collect()}
    seen = (entries(table) for table in context.current().pins if table.layer == "bronze")
    sources = [told for told in seen if not files.isdisjoint(each.sha256 for each in told)]
    empty = [each for told in sources for each in reversed(told) if each.verdict == "loaded" and each.rows == 0]
    return {each.delivered_on: each.ingested_at for each in empty if each.delivered_on is not None}


def _without_emptied(df: "DataFrame", empty: Mapping[date, datetime], day: str) -> "DataFrame":
    """Without the rows of days that a later delivery said to be empty."""
    from pyspark.sql import functions as F

    for emptied, loaded_at in empty.items():
        df = df.where((F.col(day) != F.lit(emptied)) | (F.col("_ingested_at") > F.lit(loaded_at)))
    return df
