"""The engine without a server: Sail computes in this process, delta-rs makes the commits. No Java."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, PostCommitHookProperties, QueryBuilder, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, DeltaProtocolError

from lakelib.engine.adoption import adopt, adoptable_files
from lakelib.engine.bounded_merge import merge_by_rewriting, merge_memory
from lakelib.engine.delta_log import create_table, existing_table, labels, newest_version, versions
from lakelib.engine.nullable import as_nullable
from lakelib.engine.protocol import Commit, Merge, Version, Written
from lakelib.errors import CommitConflictError, EngineError
from lakelib.settings import EmbeddedSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

__all__ = ["EmbeddedEngine"]

_ATTEMPTS: Final = 6
_NO_CLEANUP: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


class EmbeddedEngine:
    """Holds the Sail server of this process (random loopback port) and one session on it."""

    name = "embedded"

    def __init__(self, settings: EmbeddedSettings | None = None) -> None:
        self._memory_bytes = settings.memory_bytes if settings else None
        self._server: Any = None
        self._session: SparkSession | None = None

    @property
    def session(self) -> "SparkSession":
        if self._session is None:
            self._session = self._start()
        return self._session

    def _start(self) -> "SparkSession":
        # Sail logs every request at INFO unless told otherwise before it is loaded.
        os.environ.setdefault("RUST_LOG", "error")
        if self._memory_bytes is not None:
            os.environ.update(_bounded(self._memory_bytes))
        from pysail.spark import SparkConnectServer

        from lakelib.engine.spark_session import connect

        self._server = SparkConnectServer(port=0)
        self._server.start(background=True)
        _, port = self._server.listening_address
        return connect(f"sc://localhost:{port}")

    def version(self, table: str) -> int | None:
        return newest_version(table)

    def create(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        create_table(table, schema, commit=commit)

    def add_columns(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        opened = existing_table(table)
        known = {field.name for field in opened.schema().fields}
        missing = [field for field in _delta_schema(schema).fields if field.name not in known]
        if missing:
            opened.alter.add_columns(missing, commit_properties=labels(commit))

    def append(self, staged: str, table: str, *, commit: Commit) -> Written:
        return _retried(table, lambda opened: self._write(opened, staged, commit=commit))

    def replace(self, staged: str, table: str, *, where: str, commit: Commit) -> Written:
        return _retried(table, lambda opened: self._write(opened, staged, commit=commit, where=where))

    def _write(self, opened: DeltaTable, staged: str, *, commit: Commit, where: str | None = None) -> Written:
        if opened.transaction_version(commit.transaction) is not None:
            return Written(opened.version(), is_committed=False)
        is_addition = where is None or not _holds(opened, where)
        if is_addition and (files := adoptable_files(staged, opened)):
            return adopt(files, opened, commit=commit)
        rows, before = _rows(staged, opened), opened.count()
        inserted = rows.count_rows()
        if where is None and not inserted:
            return Written(opened.version(), is_committed=False)
        options: Any = {"commit_properties": labels(commit), "post_commithook_properties": _NO_CLEANUP}
        if where is None:
            write_deltalake(opened, rows.scanner().to_reader(), mode="append", **options)
        else:
            write_deltalake(opened, rows.scanner().to_reader(), mode="overwrite", predicate=where, **options)
        return Written(opened.version(), inserted=inserted, deleted=before + inserted - opened.count())

    def merge(self, staged: str, table: str, *, merge: Merge, commit: Commit) -> Written:
        return _retried(table, lambda opened: self._merge(opened, staged, merge=merge, commit=commit))

    def _merge(self, opened: DeltaTable, staged: str, *, merge: Merge, commit: Commit) -> Written:
        if opened.transaction_version(commit.transaction) is not None:
            return Written(opened.version(), is_committed=False)
        if not opened.count() and (files := adoptable_files(staged, opened)):
            return adopt(files, opened, commit=commit)
        if self._memory_bytes is not None and merge_memory(staged, opened) > self._memory_bytes:
            return merge_by_rewriting(staged, opened, session=self.session, merge=merge, commit=commit)
        before = opened.version()
        merger = (
            opened.merge(
                _rows(staged, opened).scanner().to_reader(),
                predicate=merge.on,
                source_alias="s",
                target_alias="t",
                commit_properties=labels(commit),
                post_commithook_properties=_NO_CLEANUP,
            )
            .when_matched_update_all(predicate=merge.update_when)
            .when_not_matched_insert_all()
        )
        if merge.is_deleting_missing:
            merger = merger.when_not_matched_by_source_delete()
        metrics = merger.execute()
        return Written(
            opened.version(),
            inserted=int(metrics["num_target_rows_inserted"]),
            updated=int(metrics["num_target_rows_updated"]),
            deleted=int(metrics["num_target_rows_deleted"]),
            is_committed=opened.version() > before,
        )

    def history(self, table: str, *, limit: int | None = None) -> Sequence[Version]:
        return versions(table, limit=limit)

    def restore(self, table: str, *, version: int, commit: Commit) -> Written:
        opened = existing_table(table)
        try:
            opened.restore(version, commit_properties=labels(commit))
        except DeltaError as error:
            raise EngineError(
                f"Version {version} of {table} was asked for and can't be restored: {error}",
                hint="Look at its versions with `lake history`.",
            ) from error
        return Written(existing_table(table).version())

    def close(self) -> None:
        if self._session is not None:
            self._session.stop()
            self._server.stop()
            self._session = self._server = None


def _bounded(memory_bytes: int) -> dict[str, str]:
    """Sail's settings for a pool of that size. Of its joins, only those that sort can spill to disk."""
    return {
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(memory_bytes),
        "SAIL_OPTIMIZER__PREFER_HASH_JOIN": "false",
    }


def _retried(table: str, write: Callable[[DeltaTable], Written]) -> Written:
    for attempt in range(_ATTEMPTS):
        try:
            return write(existing_table(table))
        except (CommitFailedError, DeltaProtocolError, DeltaError) as error:
            if not _is_conflict(error):
                raise EngineError(f"A write to {table} failed: {error}") from error
            time.sleep(0.05 * 2**attempt)
    raise CommitConflictError(
        f"A write to {table} was tried {_ATTEMPTS} times; another writer was faster each time.",
        hint="Run it again when the other writer is done.",
    )


def _is_conflict(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, CommitFailedError) or "conflict" in text or "concurrent" in text


def _holds(opened: DeltaTable, where: str) -> bool:
    """Whether the table has a row that satisfies the condition: mostly told by its files' statistics."""
    found = QueryBuilder().register("held", opened).execute(f"SELECT 1 FROM held WHERE {where} LIMIT 1")
    return found.read_all().num_rows > 0


def _rows(staged: str, opened: DeltaTable) -> ds.Dataset:
    """The staged files read with the target's own types, so that nothing is cast by guess."""
    schema: pa.Schema = pa.schema(opened.schema().to_arrow())  # type: ignore[arg-type]
    if not Path(staged).is_dir():
        return ds.dataset(schema.empty_table())
    return ds.dataset(staged, format="parquet", schema=schema)


def _delta_schema(schema: "StructType") -> Schema:
    return Schema.from_json(as_nullable(schema).json())
