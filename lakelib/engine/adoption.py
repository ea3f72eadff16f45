"""Staged files become a table's own without being read: linked into its folder, and named in its log.

Such a commit says exactly which version it follows. When another writer was faster it fails, and whoever asked for it
makes it again.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

__all__ = ["TableFile", "adopt", "adopt_instead", "adopt_staged", "adoptable_files", "link", "table_files"]

_NO_CLEANUP: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
_LONGEST_BOUND: Final = 64
_EXACT_DIGITS: Final = 15  # of a decimal that a JSON number, which readers take as a double, holds
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class TableFile:
    """A file of a table, by its path in the log; `size` in bytes."""

    path: str
    place: Path
    size: int
    rows: int


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


def table_files(table: DeltaTable) -> list[TableFile]:
    """The files of a table in its log's order; none when of one the log does not tell the rows or the place."""
    folder = _folder(table)
    listed = pa.table(table.get_add_actions(flatten=True)).select(["path", "size_bytes", "num_records"]).to_pydict()
    files = [TableFile(path, folder / path, *told) for path, *told in zip(*listed.values(), strict=True)]
    return files if all(file.place.is_file() and file.rows is not None for file in files) else []


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
    _commit(_added(files, table), table, commit=commit)
    return Written(table.version(), inserted=sum(pq.read_metadata(file).num_rows for file in files))


def adopt_instead(
    files: Sequence[Path], table: DeltaTable, *, gone: Iterable[TableFile], changes: Mapping[str, int], commit: Commit
) -> Written:
    """One commit that adds the files' rows and takes away all those of the files `gone`.

    `changes` says how many rows were `inserted`, `updated` and `deleted` by that.

    Raises:
        CommitFailedError: the table has a newer version.
    """
    now = int(time.time() * 1000)
    removed = [RemoveAction(file.path, True, now, file.size, {}) for file in gone]
    metrics = {f"num_target_rows_{change}": rows for change, rows in changes.items()}
    _commit([*removed, *_added(files, table)], table, commit=commit, metrics=metrics)
    return Written(table.version(), changes["inserted"], changes["updated"], changes["deleted"])


def _commit(
    actions: Sequence[AddAction | RemoveAction],
    table: DeltaTable,
    *,
    commit: Commit,
    metrics: Mapping[str, int] | None = None,
) -> None:
    exactly_next = labels(commit)
    exactly_next.max_commit_retries = 0
    if metrics:
        exactly_next.custom_metadata = {**(exactly_next.custom_metadata or {}), "operationMetrics": metrics}
    table.create_write_transaction(
        list(actions), "append", table.schema(), commit_properties=exactly_next, post_commithook_properties=_NO_CLEANUP
    )
    table.update_incremental()


def _added(files: Sequence[Path], table: DeltaTable) -> list[AddAction]:
    folder = _folder(table)
    return [_linked(file, pq.read_metadata(file), into=folder) for file in files]


def _folder(table: DeltaTable) -> Path:
    return Path(url2pathname(urlsplit(table.table_uri).path))


def _fits(file: pa.Schema, kinds: Mapping[str, pa.DataType]) -> bool:
    return all(
        _plain(field.type) == kinds[field.name] if field.name in kinds else field.name.startswith("_") for field in file
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values, however they are laid out in memory."""
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _linked(file: Path, footer: pq.FileMetaData, *, into: Path) -> AddAction:
    name = f"part-{uuid.uuid4()}.parquet"
    link(file, into / name)
    return AddAction(
        name,
        size=file.stat().st_size,
        partition_values={},
        modification_time=int(file.stat().st_mtime * 1000),
        data_change=True,
        stats=json.dumps(_statistics(footer) if _has_statistics(footer) else _counted(file)),
    )


def link(file: Path, name: Path) -> None:
    """The same file under another name; a copy of it where there can be no link."""
    try:
        os.link(file, name)
    except OSError:
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
        past = timedelta(microseconds=value.microsecond % 1000)
        if past and value.replace(tzinfo=None) > datetime.max - _MILLISECOND:
            return None  # the last one of all, as an end that is not known
        return _instant(value - past + _MILLISECOND if past else value)
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
