"""Writes of staged files that delta-rs makes in this process: all of the embedded engine's, and Spark's small ones."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import ColumnProperties, DeltaTable, PostCommitHookProperties, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from lakelib.engine.adoption import adopt_staged
from lakelib.engine.delta_log import labels
from lakelib.engine.protocol import Commit, Merge, Written
from lakelib.errors import CommitConflictError, EngineError

__all__ = [
    "failed_write",
    "has_unbounded_columns",
    "is_conflict",
    "merge_memory",
    "merge_rows",
    "retried",
    "staged_dataset",
    "write_options",
    "write_rows",
]

_Result = TypeVar("_Result")
_ATTEMPTS: Final = 6
_FIRST_PAUSE_SECONDS: Final = 0.1
# Measured: of tables of 112 MB each, delta-rs held 1.4 GB in a merge.
_HELD_FOR_EACH_BYTE: Final = 6
_EXACT_DIGITS: Final = 15  # of a decimal that is the same as a double, by which delta-rs 1.6.6 writes its bounds
_PATH: Final = re.compile(r"\S*/\S*")
_LITTLE: Final = 16 << 20  # bytes of Parquet
_UNTOLD: Final = ColumnProperties(statistics_enabled="NONE")
_NO_CLEANUP: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def retried(table: str, write: Callable[[], _Result]) -> _Result:
    """What `write` gives, which is called again while another writer is faster.

    Raises:
        CommitConflictError: it always was.
        EngineError: delta-rs fails for another reason.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            return write()
        except DeltaError as error:
            if not is_conflict(error):
                raise failed_write(table, error) from error
    raise CommitConflictError(
        f"A write to {table} was tried {_ATTEMPTS} times; another writer was faster each time.",
        hint="Run it again when the other writer is done.",
    )


def failed_write(table: str, error: DeltaError) -> EngineError:
    return EngineError(f"A write to {table} failed: {error}")


def merge_memory(staged: str, table: DeltaTable) -> int:
    """About how many bytes delta-rs would hold for a merge of the staged files into the table."""
    theirs: int = sum(table.get_add_actions(flatten=True)["size_bytes"].to_pylist())
    return _HELD_FOR_EACH_BYTE * (_staged_bytes(staged) + theirs)


def write_rows(staged: str, table: DeltaTable, *, commit: Commit, where: str | None = None) -> Written:
    """Appends the staged rows, or puts them in the place of those that satisfy `where`."""
    if adopted := adopt_staged(staged, table, instead_of=where, commit=commit):
        return adopted
    rows, before = _rows(staged, table), table.count()
    inserted = rows.count_rows()
    if where is None and not inserted:
        return Written(table.version(), is_committed=False)
    reader, options = rows.scanner().to_reader(), write_options(commit, rows.schema)
    if where is None:
        write_deltalake(table, reader, mode="append", **options)
    else:
        write_deltalake(table, reader, mode="overwrite", predicate=where, **options)
    return Written(table.version(), inserted=inserted, deleted=before + inserted - table.count())


def merge_rows(staged: str, table: DeltaTable, *, merge: Merge, commit: Commit) -> Written:
    """As `Engine.merge`; no commit where nothing differs."""
    before, rows = table.version(), _rows(staged, table)
    merger = (
        table.merge(
            _given(staged, rows),
            predicate=merge.on,
            source_alias="s",
            target_alias="t",
            **write_options(commit, rows.schema),
        )
        .when_matched_update_all(predicate=merge.update_when)
        .when_not_matched_insert_all()
    )
    if merge.is_deleting_missing:
        merger = merger.when_not_matched_by_source_delete()
    metrics = merger.execute()
    return Written(
        table.version(),
        inserted=int(metrics["num_target_rows_inserted"]),
        updated=int(metrics["num_target_rows_updated"]),
        deleted=int(metrics["num_target_rows_deleted"]),
        is_committed=table.version() > before,
    )


def _given(staged: str, rows: ds.Dataset) -> pa.Table | pa.RecordBatchReader:
    """Of rows that take little memory delta-rs takes a table, and an eighth less time for it."""
    return rows.to_table() if _staged_bytes(staged) <= _LITTLE else rows.scanner().to_reader()


def _staged_bytes(staged: str) -> int:
    return sum(file.stat().st_size for file in Path(staged).glob("*.parquet"))


def write_options(commit: Commit, schema: pa.Schema) -> dict[str, Any]:
    """Without statistics of floats, as `parquet_options`, and of decimals that delta-rs bounds too narrowly."""
    options = {"commit_properties": labels(commit), "post_commithook_properties": _NO_CLEANUP}
    untold = {field.name: _UNTOLD for field in schema if _is_unbounded(field.type)}
    if untold:
        options["writer_properties"] = WriterProperties(compression="SNAPPY", column_properties=untold)
    return options


def has_unbounded_columns(table: DeltaTable) -> bool:
    """Whether the table has columns whose bounds delta-rs does not write, and its filters then find no rows by."""
    return any(_is_unbounded(field.type) for field in pa.schema(table.schema().to_arrow()))  # type: ignore[arg-type]


def _is_unbounded(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or (pa.types.is_decimal(kind) and kind.precision > _EXACT_DIGITS)


def is_conflict(error: Exception) -> bool:
    """Whether delta-rs says that another writer was faster; a path in its message may be called anything."""
    text = _PATH.sub("", str(error)).lower()
    return isinstance(error, CommitFailedError) or "conflict" in text or "concurrent" in text


def staged_dataset(staged: str, schema: pa.Schema) -> ds.Dataset:
    """Empty where no folder is."""
    if not Path(staged).is_dir():
        return ds.dataset(schema.empty_table())
    return ds.dataset(staged, format="parquet", schema=schema)


def _rows(staged: str, table: DeltaTable) -> ds.Dataset:
    """The staged files read with the target's own types, so that nothing is cast by guess."""
    return staged_dataset(staged, pa.schema(table.schema().to_arrow()))  # type: ignore[arg-type]
