"""A merge of tables larger than memory: joined by Sail, which can sort and spill, and not by delta-rs, which can not.

The table is computed again as a whole and replaced in one commit, so it is for merges that would not fit otherwise.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from deltalake import DeltaTable

from lakelib.engine.adoption import adopt_instead, adoptable_files
from lakelib.engine.protocol import Commit, Merge, Written
from lakelib.engine.staged_files import parquet_options, staged_rows
from lakelib.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["merge_by_rewriting"]

_STAGED, _TARGET = "_lake_merge_staged", "_lake_merge_target"


def merge_by_rewriting(
    staged: str, table: DeltaTable, *, session: "SparkSession", merge: Merge, commit: Commit
) -> Written:
    """As `Engine.merge`, in the memory of the session's pool; the commit is an overwrite.

    Raises:
        CommitFailedError: the table has a newer version than `table` holds.
        EngineError: the files that Sail wrote are not of the table's types.
    """
    folder = Path(f"{staged}.merged")
    shutil.rmtree(folder, ignore_errors=True)
    _compute(staged, table, session=session, merge=merge, into=folder)
    inserted, updated, deleted = (staged_rows(f"{folder}/_fate={fate}") for fate in ("inserted", "updated", "deleted"))
    written = Written(table.version(), is_committed=False)
    if inserted or updated or deleted:
        version = adopt_instead(_files(folder, table), table, commit=commit)
        written = Written(version, inserted=inserted, updated=updated, deleted=deleted)
    shutil.rmtree(folder, ignore_errors=True)
    return written


def _compute(staged: str, table: DeltaTable, *, session: "SparkSession", merge: Merge, into: Path) -> None:
    """Writes every row of both sides, a folder a fate: inserted, updated, kept, deleted."""
    names = [field.name for field in table.schema().fields]
    target = session.read.format("delta").option("versionAsOf", table.version()).load(table.table_uri)
    given = session.read.parquet(staged) if Path(staged).is_dir() else target.limit(0)
    absent = [f"CAST(NULL AS {target.schema[name].dataType.simpleString()}) AS `{name}`" for name in names]
    columns = [f"`{name}`" if name in given.columns else null for name, null in zip(names, absent, strict=True)]
    given.selectExpr(*columns, "true AS _is_given").createOrReplaceTempView(_STAGED)
    target.selectExpr(*(f"`{name}`" for name in names), "true AS _is_held").createOrReplaceTempView(_TARGET)
    missing = "'deleted'" if merge.is_deleting_missing else "'kept'"
    fate = (
        f"CASE WHEN t._is_held IS NULL THEN 'inserted' WHEN s._is_given IS NULL THEN {missing} "
        f"WHEN {merge.update_when} THEN 'updated' ELSE 'kept' END"
    )
    is_ours = f"t._is_held IS NULL OR (s._is_given IS NOT NULL AND ({merge.update_when}))"
    merged = (f"CASE WHEN {is_ours} THEN s.`{name}` ELSE t.`{name}` END AS `{name}`" for name in names)
    rows = session.sql(
        f"SELECT {', '.join(merged)}, {fate} AS _fate FROM {_TARGET} AS t FULL OUTER JOIN {_STAGED} AS s ON {merge.on}"
    )
    types = (field.dataType.simpleString() for field in target.schema)
    rows.write.options(**parquet_options(types)).partitionBy("_fate").parquet(str(into))


def _files(folder: Path, table: DeltaTable) -> list[Path]:
    kept = [
        f"{folder}/_fate={fate}" for fate in ("inserted", "updated", "kept") if staged_rows(f"{folder}/_fate={fate}")
    ]
    files = [adoptable_files(each, table) for each in kept]
    if not all(files):
        raise EngineError(
            f"A merge into {table.table_uri} was computed; its columns are not of the table's types.",
            hint="Leave `embedded.memory` out for this table, or use engine: spark.",
        )
    return [file for each in files for file in each]
