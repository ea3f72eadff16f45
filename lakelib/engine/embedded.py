"""The engine without a server: Sail computes in this process, delta-rs makes the commits. No Java."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, DeltaProtocolError

from lakelib.engine.adoption import adopt_staged
from lakelib.engine.bounded_merge import merge_by_rewriting, merge_memory
from lakelib.engine.delta_log import (
    add_missing_columns,
    create_table,
    delta_schema,
    existing_table,
    labels,
    moved_on,
    newest_version,
    restore_table,
    versions,
)
from lakelib.engine.protocol import Commit, Merge, Version, Written
from lakelib.errors import CommitConflictError, EngineError
from lakelib.settings import EmbeddedSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

__all__ = ["EmbeddedEngine"]

_Result = TypeVar("_Result")

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
        _retried(table, lambda opened: add_missing_columns(opened, schema, commit=commit))

    def append(self, staged: str, table: str, *, commit: Commit) -> Written:
        return _retried(table, lambda opened: self._write(opened, staged, commit=commit))

    def replace(self, staged: str, table: str, *, where: str, commit: Commit) -> Written:
        return _retried(table, lambda opened: self._write(opened, staged, commit=commit, where=where))

    def _write(self, opened: DeltaTable, staged: str, *, commit: Commit, where: str | None = None) -> Written:
        if opened.transaction_version(commit.transaction) is not None:
            return Written(opened.version(), is_committed=False)
        if adopted := adopt_staged(staged, opened, instead_of=where, commit=commit):
            return adopted
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
        if adopted := adopt_staged(staged, opened, instead_of="true", commit=commit):
            return adopted
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

    def rewrite(self, staged: str, table: str, *, schema: "StructType", version: int, commit: Commit) -> Written:
        opened = existing_table(table)
        if opened.transaction_version(commit.transaction) is not None:
            return Written(opened.version(), is_committed=False)
        opened.load_as_version(version)
        rows = _dataset(staged, pa.schema(delta_schema(schema).to_arrow()))  # type: ignore[arg-type]
        deleted, exactly_next = opened.count(), labels(commit)
        exactly_next.max_commit_retries = 0
        try:
            write_deltalake(
                opened,
                rows.scanner().to_reader(),
                mode="overwrite",
                schema_mode="overwrite",
                commit_properties=exactly_next,
                post_commithook_properties=_NO_CLEANUP,
            )
        except CommitFailedError as error:
            raise moved_on(table, version) from error
        return Written(version + 1, inserted=rows.count_rows(), deleted=deleted)

    def history(self, table: str, *, limit: int | None = None) -> Sequence[Version]:
        return versions(table, limit=limit)

    def restore(self, table: str, *, version: int, commit: Commit) -> Written:
        return Written(_retried(table, lambda opened: restore_table(opened, version=version, commit=commit)))

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


def _retried(table: str, write: Callable[[DeltaTable], _Result]) -> _Result:
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


def _rows(staged: str, opened: DeltaTable) -> ds.Dataset:
    """The staged files read with the target's own types, so that nothing is cast by guess."""
    return _dataset(staged, pa.schema(opened.schema().to_arrow()))  # type: ignore[arg-type]


def _dataset(staged: str, schema: pa.Schema) -> ds.Dataset:
    if not Path(staged).is_dir():
        return ds.dataset(schema.empty_table())
    return ds.dataset(staged, format="parquet", schema=schema)
