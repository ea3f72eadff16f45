"""The engine without a server: Sail computes in this process, delta-rs makes the commits. No Java."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from lakelib.engine.adoption import adopt_staged
from lakelib.engine.delta_log import (
    add_missing_columns,
    create_table,
    delta_schema,
    existing_table,
    moved_on,
    newest_version,
    restore_table,
    versions,
)
from lakelib.engine.delta_writes import (
    failed_write,
    has_unbounded_columns,
    is_conflict,
    merge_memory,
    merge_rows,
    retried,
    staged_dataset,
    write_options,
    write_rows,
)
from lakelib.engine.protocol import Commit, Merge, Version, Written
from lakelib.engine.rewriting import merge_by_rewriting
from lakelib.errors import EngineError, first_line
from lakelib.settings import EmbeddedSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

__all__ = ["EmbeddedEngine"]

_log = logging.getLogger("lakelib.engine")

_LITTLE: Final = 32 << 20  # bytes of memory: a merge by delta-rs that needs no more is as quick
# Rows at a time: each batch costs something whatever its size, such as making its regular expressions ready.
_SPACIOUS: Final = {"SAIL_EXECUTION__BATCH_SIZE": "32768"}
# The session is there for as long as this process. Sail would remove it when nothing was asked for 15 minutes.
_LASTING: Final = {"SAIL_SPARK__SESSION_TIMEOUT_SECS": str(10 * 365 * 86_400)}
# Sail has no use for where each column is made in a notebook, which PySpark takes longer to find than to make it.
_UNASKED: Final = {"spark.python.sql.dataFrameDebugging.enabled": "false"}


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
        from pysail.spark import SparkConnectServer

        from lakelib.engine.spark_session import connect

        with _told(_LASTING | (_SPACIOUS if self._memory_bytes is None else _bounded(self._memory_bytes))):
            self._server = SparkConnectServer(port=0)
        self._server.start(background=True)
        _, port = self._server.listening_address
        return connect(f"sc://localhost:{port}", _UNASKED)

    def version(self, table: str) -> int | None:
        return newest_version(table)

    def create(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        create_table(table, schema, commit=commit)

    def add_columns(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        retried(table, lambda: add_missing_columns(existing_table(table), schema, commit=commit))

    def append(self, staged: str, table: str, *, commit: Commit) -> Written:
        return _once(table, commit, lambda opened: write_rows(staged, opened, commit=commit))

    def replace(self, staged: str, table: str, *, where: str, commit: Commit) -> Written:
        return _once(table, commit, lambda opened: write_rows(staged, opened, commit=commit, where=where))

    def merge(self, staged: str, table: str, *, merge: Merge, commit: Commit) -> Written:
        return _once(table, commit, lambda opened: self._merge(opened, staged, merge=merge, commit=commit))

    def _merge(self, opened: DeltaTable, staged: str, *, merge: Merge, commit: Commit) -> Written:
        if adopted := adopt_staged(staged, opened, instead_of="true", commit=commit):
            return adopted
        needed, most = merge_memory(staged, opened), self._memory_bytes
        if needed <= min(_LITTLE, most or _LITTLE) and not has_unbounded_columns(opened):
            return merge_rows(staged, opened, merge=merge, commit=commit)
        from pyspark.errors import PySparkException

        merged = error = None
        try:
            merged = merge_by_rewriting(staged, opened, session=self.session, merge=merge, commit=commit)
        except PySparkException as failed:
            error = failed
        if merged is not None:
            return merged
        if most is not None and needed > most:
            raise EngineError(
                f"A merge into {opened.table_uri} was asked for in {most >> 20} MiB. delta-rs needs about "
                f"{needed >> 20} MiB for it; Sail can't make it: {error or 'the table is not as its own are'}.",
                hint="Raise `embedded.memory` or leave it out for this table, or use engine: spark.",
            ) from error
        if error is not None:
            told = "The merge into %s is made by delta-rs, for Sail can't make it: %s"
            _log.warning(told, opened.table_uri, first_line(error))
        return merge_rows(staged, opened, merge=merge, commit=commit)

    def rewrite(self, staged: str, table: str, *, schema: "StructType", version: int, commit: Commit) -> Written:
        opened = existing_table(table)
        if opened.transaction_version(commit.transaction) is not None:
            return Written(opened.version(), is_committed=False)
        opened.load_as_version(version)
        rows = staged_dataset(staged, pa.schema(delta_schema(schema).to_arrow()))  # type: ignore[arg-type]
        deleted, exactly_next = opened.count(), write_options(commit, rows.schema)
        exactly_next["commit_properties"].max_commit_retries = 0
        try:
            write_deltalake(
                opened,
                rows.scanner().to_reader(),
                mode="overwrite",
                schema_mode="overwrite",
                **exactly_next,
            )
        except DeltaError as error:
            raise moved_on(table, version) if is_conflict(error) else failed_write(table, error) from error
        return Written(version + 1, inserted=rows.count_rows(), deleted=deleted)

    def history(self, table: str, *, limit: int | None = None) -> Sequence[Version]:
        return versions(table, limit=limit)

    def restore(self, table: str, *, version: int, commit: Commit) -> Written:
        return Written(retried(table, lambda: restore_table(existing_table(table), version=version, commit=commit)))

    def close(self) -> None:
        if self._session is not None:
            self._session.stop()
            self._server.stop()
            self._session = self._server = None


@contextmanager
def _told(settings: Mapping[str, str]) -> Iterator[None]:
    """Sail reads settings from the environment, as a server is made; what the user set there counts."""
    ours = settings.keys() - os.environ.keys()
    os.environ.update({name: settings[name] for name in ours})
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def _bounded(memory_bytes: int) -> dict[str, str]:
    """Sail's settings for a pool of that size. Of its joins, only those that sort can spill to disk."""
    return {
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(memory_bytes),
        "SAIL_OPTIMIZER__PREFER_HASH_JOIN": "false",
    }


def _once(table: str, commit: Commit, write: Callable[[DeltaTable], Written]) -> Written:
    def written() -> Written:
        opened = existing_table(table)
        if opened.transaction_version(commit.transaction) is not None:
            return Written(opened.version(), is_committed=False)
        return write(opened)

    return retried(table, written)
