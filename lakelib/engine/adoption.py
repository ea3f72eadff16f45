"""Staged files become a table's own without being read: linked into its folder, and named in its log.

Such a commit says exactly which version it follows. When another writer was faster it fails, and whoever asked for it
makes it again.
"""

import os
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, PostCommitHookProperties, QueryBuilder
from deltalake.transaction import AddAction, RemoveAction

from lakelib.engine.delta_log import labels
from lakelib.engine.file_statistics import file_statistics
from lakelib.engine.protocol import Commit, Written

__all__ = ["TableFile", "adopt", "adopt_instead", "adopt_staged", "adoptable_files", "link", "table_files"]

_NO_CLEANUP: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


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
    folder, schema = _folder(table), pa.schema(table.schema().to_arrow())  # type: ignore[arg-type]
    return [_linked(file, into=folder, schema=schema) for file in files]


def _folder(table: DeltaTable) -> Path:
    return Path(url2pathname(urlsplit(table.table_uri).path))


def _fits(file: pa.Schema, kinds: Mapping[str, pa.DataType]) -> bool:
    return all(
        _plain(field.type) == kinds[field.name] if field.name in kinds else field.name.startswith("_") for field in file
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values, however they are laid out in memory."""
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _linked(file: Path, *, into: Path, schema: pa.Schema) -> AddAction:
    name = f"part-{uuid.uuid4()}.parquet"
    link(file, into / name)
    return AddAction(
        name,
        size=file.stat().st_size,
        partition_values={},
        modification_time=int(file.stat().st_mtime * 1000),
        data_change=True,
        stats=file_statistics(file, schema),
    )


def link(file: Path, name: Path) -> None:
    """The same file under another name; a copy of it where there can be no link."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)
