"""Staged files become a table's own without being read: linked into its folder, and named in its log.

Such a commit says exactly which version it follows. When another writer was faster it fails, and whoever asked for it
makes it again.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable, PostCommitHookProperties, QueryBuilder
from deltalake.transaction import AddAction, RemoveAction

from lakelib.engine.delta_log import labels
from lakelib.engine.protocol import Commit, Written
from lakelib.engine.staged_files import NULL_COUNTS

__all__ = ["adopt", "adopt_instead", "adopt_staged", "adoptable_files"]

_NO_CLEANUP: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
_LONGEST_BOUND: Final = 64
_EXACT_DIGITS: Final = 15  # of a decimal that a JSON number, which readers take as a double, holds
_MILLISECOND: Final = timedelta(milliseconds=1)


def adopt_staged(staged: str, table: DeltaTable, *, instead_of: str | None, commit: Commit) -> Written | None:
    """One commit that adds the staged rows, where that is all there is to do.

    None, and nothing is done, where rows of the table satisfy `instead_of` (SQL over its columns) and have to go, and
    where there are no staged rows or files that can't be taken as they are.

    Raises:
        CommitFailedError: the table has a newer version than the one that `table` holds.
    """
    if instead_of is not None and table.count() and _holds(table, instead_of):
        return None
    files = adoptable_files(staged, table)
    return adopt(files, table, commit=commit) if files else None


def _holds(table: DeltaTable, where: str) -> bool:
    """Whether the table has a row that satisfies the condition: mostly told by its files' statistics."""
    found = QueryBuilder().register("held", table).execute(f"SELECT 1 FROM held WHERE {where} LIMIT 1")
    return found.read_all().num_rows > 0


def adoptable_files(staged: str, table: DeltaTable) -> list[Path]:
    """The Parquet files with rows in the folder `staged`; none when one of them has other types than the table.

    A column that a file lacks is null in the table. Columns that only led to a verdict stay in the file, where readers
    of the table, who go by its schema, don't see them.
    """
    if table.metadata().partition_columns:
        return []
    schema = pa.schema(table.schema().to_arrow())  # type: ignore[arg-type]
    kinds = {field.name: _plain(field.type) for field in schema}
    files = [file for file in sorted(Path(staged).glob("*.parquet")) if pq.read_metadata(file).num_rows]
    return files if all(_fits(pq.read_schema(file), kinds) for file in files) else []


def adopt(files: Sequence[Path], table: DeltaTable, *, commit: Commit) -> Written:
    """One commit that adds the files' rows to the version of the table that `table` holds.

    Raises:
        CommitFailedError: the table has a newer version.
    """
    _commit(files, table, mode="append", commit=commit)
    return Written(table.version(), inserted=sum(pq.read_metadata(file).num_rows for file in files))


def adopt_instead(files: Sequence[Path], table: DeltaTable, *, commit: Commit) -> int:
    """One commit after which the table holds the files' rows and no others; the new version.

    Raises:
        CommitFailedError: the table has a newer version.
    """
    _commit(files, table, mode="overwrite", commit=commit)
    return table.version()


def _commit(files: Sequence[Path], table: DeltaTable, *, mode: str, commit: Commit) -> None:
    folder = Path(url2pathname(urlsplit(table.table_uri).path))
    actions: list[AddAction | RemoveAction] = [_added(file, pq.read_metadata(file), into=folder) for file in files]
    exactly_next = labels(commit)
    exactly_next.max_commit_retries = 0
    table.create_write_transaction(
        actions, mode, table.schema(), commit_properties=exactly_next, post_commithook_properties=_NO_CLEANUP
    )
    table.update_incremental()


def _fits(file: pa.Schema, kinds: Mapping[str, pa.DataType]) -> bool:
    return all(
        _plain(field.type) == kinds[field.name] if field.name in kinds else field.name.startswith("_") for field in file
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values, however they are laid out in memory."""
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _added(file: Path, footer: pq.FileMetaData, *, into: Path) -> AddAction:
    name = f"part-{uuid.uuid4()}.parquet"
    _link(file, into / name)
    return AddAction(
        name,
        size=file.stat().st_size,
        partition_values={},
        modification_time=int(file.stat().st_mtime * 1000),
        data_change=True,
        stats=json.dumps(_statistics(footer) if _has_statistics(footer) else _counted(file)),
    )


def _link(file: Path, name: Path) -> None:
    try:
        os.link(file, name)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(file, name)


def _statistics(footer: pq.FileMetaData) -> Mapping[str, Any]:
    """As Delta's protocol has them; a column whose bounds the footer does not tell has none here."""
    told: dict[str, int] = json.loads((footer.metadata or {}).get(NULL_COUNTS.encode(), b"{}"))
    chunks_of = {name: list(_chunks(footer, index)) for index, name in _flat_columns(footer)}
    columns = {
        name: chunks
        for name, chunks in chunks_of.items()
        if all(chunk is not None and chunk.has_null_count for chunk in chunks)
    }
    nulls = told | {name: sum(chunk.null_count for chunk in chunks) for name, chunks in columns.items()}
    bounds = {
        name: [chunk for chunk in chunks if chunk.has_min_max] for name, chunks in columns.items() if _is_told(chunks)
    }
    least = {name: min(chunk.min for chunk in chunks) for name, chunks in bounds.items() if chunks}
    most = {name: max(chunk.max for chunk in chunks) for name, chunks in bounds.items() if chunks}
    return _as_delta_has_them(footer.num_rows, least=least, most=most, nulls=nulls)


def _has_statistics(footer: pq.FileMetaData) -> bool:
    return not footer.num_row_groups or any(
        footer.row_group(0).column(index).statistics is not None for index, _ in _flat_columns(footer)
    )


def _counted(file: Path) -> Mapping[str, Any]:
    """As `_statistics`, from the values: for files with floats, whose footers tell nothing (`parquet_options`)."""
    nulls: dict[str, int] = {}
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    with pq.ParquetFile(file) as opened:
        names = [field.name for field in opened.schema_arrow if not pa.types.is_nested(field.type)]
        for batch in opened.iter_batches(columns=names):
            for name, values in zip(names, batch.columns, strict=True):
                nulls[name] = nulls.get(name, 0) + values.null_count
                if pa.types.is_floating(values.type) or pa.types.is_binary(values.type):
                    continue
                low, high = pc.min_max(values).values()
                if low.is_valid:
                    least[name] = min(least.get(name, low.as_py()), low.as_py())
                    most[name] = max(most.get(name, high.as_py()), high.as_py())
        return _as_delta_has_them(opened.metadata.num_rows, least=least, most=most, nulls=nulls)


def _as_delta_has_them(
    rows: int, *, least: Mapping[str, Any], most: Mapping[str, Any], nulls: Mapping[str, int]
) -> Mapping[str, Any]:
    return {
        "numRecords": rows,
        "minValues": {name: told for name, value in least.items() if (told := _lower(value)) is not None},
        "maxValues": {name: told for name, value in most.items() if (told := _upper(value)) is not None},
        "nullCount": nulls,
    }


def _flat_columns(footer: pq.FileMetaData) -> Iterator[tuple[int, str]]:
    for index in range(footer.num_columns):
        path = footer.schema.column(index).path
        if path == footer.schema.column(index).name:
            yield index, path


def _chunks(footer: pq.FileMetaData, column: int) -> Iterator[Any]:
    return (footer.row_group(number).column(column).statistics for number in range(footer.num_row_groups))


def _is_told(chunks: list[Any]) -> bool:
    """Whether each row group says its bounds, or has nothing but nulls."""
    return all(chunk.has_min_max or chunk.num_values == 0 for chunk in chunks)


def _lower(value: Any) -> Any:
    if isinstance(value, datetime):
        return _instant(value - timedelta(microseconds=value.microsecond % 1000))
    return _bound(value)


def _upper(value: Any) -> Any:
    if isinstance(value, datetime):
        past = value.microsecond % 1000
        return _instant(value if not past else value - timedelta(microseconds=past) + _MILLISECOND)
    return _bound(value)


def _instant(value: datetime) -> str | None:
    """To the millisecond, which is what every reader takes."""
    return None if value.tzinfo is None else value.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _bound(value: Any) -> Any:
    """None for kinds whose order readers do not agree about (doubles have NaN), and for long texts."""
    match value:
        case bool() | float():
            return None
        case int():
            return value
        case Decimal():
            return float(value) if len(value.as_tuple().digits) <= _EXACT_DIGITS else None
        case date():
            return value.isoformat()
        case str():
            return value if len(value) <= _LONGEST_BOUND else None
    return None
