"""The engine behind a Spark Connect server, the project's own or a cluster's: Spark computes, Delta commits."""

import atexit
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyspark.errors import PySparkException
from upath import UPath

from lakelib.engine.adoption import adopt_staged
from lakelib.engine.delta_log import (
    add_missing_columns,
    create_table,
    existing_table,
    has_transaction,
    moved_on,
    newest_version,
    restore_table,
    row_count,
    versions,
)
from lakelib.engine.delta_sql import changes_sql, merge_sql, spark_condition
from lakelib.engine.delta_writes import merge_memory, merge_rows, retried, write_rows
from lakelib.engine.losses import is_lost, lost_engine
from lakelib.engine.nullable import as_nullable
from lakelib.engine.protocol import Commit, Merge, Version, Written
from lakelib.engine.spark_server import Server, ensure_server
from lakelib.engine.spark_session import connect
from lakelib.engine.staged_files import staged_rows
from lakelib.errors import EngineError, EngineLostError
from lakelib.secrets import read_secret
from lakelib.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession
    from pyspark.sql.types import StructType

__all__ = ["SparkEngine"]

_Result = TypeVar("_Result")

_RECENT: Final = 100
_STAGED: Final = "_lakelib_staged"
_DELTA: Final = "spark.databricks.delta"
_CONFLICTS: Final = ("DELTA_CONCURRENT", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED")


class SparkEngine:
    """Holds one session. A lost server is an EngineError within seconds; the next use makes a session again.

    Where `engine` of the settings is `spark`, it is the project's resident server, started when none runs.
    """

    name = "spark"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: Server | None = None
        self._session: SparkSession | None = None
        self._connecting = threading.Lock()
        self._writing = threading.Lock()

    @property
    def session(self) -> "SparkSession":
        """Raises EngineError when the server is gone, or does not start."""
        with self._connecting:
            if self._session is not None and self._is_gone():
                raise self._lost()
            if self._session is None:
                self._session = self._connected()
            return self._session

    def version(self, table: str) -> int | None:
        return newest_version(table)

    def create(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        create_table(table, schema, commit=commit)

    def add_columns(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        self._retried(table, lambda: add_missing_columns(existing_table(table), schema, commit=commit))

    def append(self, staged: str, table: str, *, commit: Commit) -> Written:
        return self._once(table, commit, write=lambda: self._append(staged, table, commit=commit))

    def _append(self, staged: str, table: str, *, commit: Commit) -> Written:
        if adopted := adopt_staged(staged, existing_table(table), instead_of=None, commit=commit):
            return adopted
        inserted = staged_rows(staged)
        if not inserted:
            return _nothing(table)
        self._staged(staged, table).write.format("delta").mode("append").options(**_options(commit)).save(table)
        return Written(_own_version(table, commit), inserted=inserted)

    def replace(self, staged: str, table: str, *, where: str, commit: Commit) -> Written:
        return self._once(table, commit, write=lambda: self._replace(staged, table, where=where, commit=commit))

    def _replace(self, staged: str, table: str, *, where: str, commit: Commit) -> Written:
        opened = existing_table(table)
        if self._is_small(staged, opened):
            return write_rows(staged, opened, commit=commit, where=where)
        if adopted := adopt_staged(staged, opened, instead_of=where, commit=commit):
            return adopted
        options = _options(commit) | {"replaceWhere": spark_condition(where)}
        self._staged(staged, table).write.format("delta").mode("overwrite").options(**options).save(table)
        version, inserted = _own_version(table, commit), staged_rows(staged)
        # Delta's metrics leave out rows that were deleted with their whole file.
        deleted = row_count(table, version=version - 1) + inserted - row_count(table, version=version)
        return Written(version, inserted=inserted, deleted=deleted)

    def merge(self, staged: str, table: str, *, merge: Merge, commit: Commit) -> Written:
        return self._once(table, commit, write=lambda: self._merge(staged, table, merge=merge, commit=commit))

    def _merge(self, staged: str, table: str, *, merge: Merge, commit: Commit) -> Written:
        opened = existing_table(table)
        if not opened.count():
            # All rows are new. As an overwrite it collides with another first write, which an append would not.
            return self._replace(staged, table, where="true", commit=commit)
        if self._is_small(staged, opened):
            return merge_rows(staged, opened, merge=merge, commit=commit)
        self._staged(staged, table).createOrReplaceTempView(_STAGED)
        try:
            if self.session.sql(changes_sql(_STAGED, table, merge=merge)).isEmpty():
                return _nothing(table)
            counted = self._run(merge_sql(_STAGED, table, merge=merge), conf=_metadata(commit) | _transaction(commit))
        finally:
            self.session.catalog.dropTempView(_STAGED)
        # Delta answers nothing when it finds the transaction in the table.
        return _merged(table, counted[0], commit=commit) if counted else _nothing(table)

    def _is_small(self, staged: str, opened: DeltaTable) -> bool:
        """Whether a write is done here, sooner than Spark has planned it."""
        return merge_memory(staged, opened) <= self._settings.spark.small_write_bytes

    def rewrite(self, staged: str, table: str, *, schema: "StructType", version: int, commit: Commit) -> Written:
        write = partial(self._rewrite, staged, table, schema=as_nullable(schema), version=version, commit=commit)
        written = self._once(table, commit, write=write)
        if written.is_committed and written.version != version + 1:
            # Delta's overwrite does not ask whether the table moved on between the look at it and the commit.
            restore_table(existing_table(table), version=written.version - 1, commit=commit)
            raise moved_on(table, version)
        return written

    def _rewrite(self, staged: str, table: str, *, schema: "StructType", version: int, commit: Commit) -> Written:
        if self.version(table) != version:
            raise moved_on(table, version)
        inserted, deleted = staged_rows(staged), row_count(table, version=version)
        options = _options(commit) | {"overwriteSchema": "true"}
        self._read(staged, schema).write.format("delta").mode("overwrite").options(**options).save(table)
        return Written(_own_version(table, commit), inserted=inserted, deleted=deleted)

    def history(self, table: str, *, limit: int | None = None) -> Sequence[Version]:
        return versions(table, limit=limit)

    def restore(self, table: str, *, version: int, commit: Commit) -> Written:
        def restored() -> int:
            return restore_table(existing_table(table), version=version, commit=commit)

        return Written(self._retried(table, restored))

    def close(self) -> None:
        if self._session is not None:
            atexit.unregister(self.close)
            self._disconnect(self._session)

    def _connected(self) -> "SparkSession":
        try:
            session = connect(self._url())
        except PySparkException as error:
            raise EngineLostError(
                f"A session was asked for at the Spark server {self._place}, which answers: {_brief(error)}",
                hint="Check that it runs, its address in `engine`, and its token in `spark.token`.",
            ) from error
        atexit.register(self.close)
        return session

    def _url(self) -> str:
        url, token = self._settings.engine, self._settings.spark.token
        if url == "spark":
            self._server = ensure_server(self._settings)
            return self._server.url
        separator = ";" if "/;" in url else "/;"
        return f"{url}{separator}token={read_secret(token)}" if token else url

    def _disconnect(self, session: "SparkSession") -> None:
        with suppress(PySparkException):
            session.stop()
        self._session = self._server = None

    @property
    def _place(self) -> str:
        return f"of {self._settings.project}" if self._settings.engine == "spark" else self._settings.engine

    def _is_gone(self) -> bool:
        return self._server is not None and not self._server.runs()

    def _lost(self) -> EngineLostError:
        """Forgets the session, so that the next use makes one."""
        if self._session is not None:
            self._disconnect(self._session)
        return lost_engine(self._place)

    def _once(self, table: str, commit: Commit, *, write: Callable[[], Written]) -> Written:
        return self._retried(table, lambda: _nothing(table) if has_transaction(table, commit.transaction) else write())

    def _retried(self, table: str, write: Callable[[], _Result]) -> _Result:
        """One write at a time: its view and its settings are the session's."""

        def written() -> _Result:
            with self._writing:
                try:
                    return write()
                except PySparkException as error:
                    if (error.getCondition() or "").startswith(_CONFLICTS):
                        raise CommitFailedError(str(error)) from error
                    raise self._failed(table, error) from error

        return retried(table, written)

    def _failed(self, table: str, error: PySparkException) -> EngineError:
        if self._is_gone() or is_lost(str(error)):
            return self._lost()
        return EngineError(f"A write to {table} failed; the table is as it was. Spark says: {_brief(error)}")

    def _run(self, statement: str, *, conf: Mapping[str, str]) -> "list[Row]":
        with _settings(self.session, conf):
            return self.session.sql(statement).collect()

    def _staged(self, staged: str, table: str) -> "DataFrame":
        """The staged files read with the target's own schema, so that nothing is cast by guess."""
        return self._read(staged, self.session.read.format("delta").load(table).schema)

    def _read(self, staged: str, schema: "StructType") -> "DataFrame":
        if not UPath(staged).is_dir():
            return self.session.createDataFrame([], schema)
        return self.session.read.schema(schema).parquet(staged)


@contextmanager
def _settings(session: "SparkSession", conf: Mapping[str, str]) -> Iterator[None]:
    """Unset at the end in any case: with a transaction id left, Delta silently skips all later statements."""
    try:
        for key, value in conf.items():
            session.conf.set(key, value)
        yield
    finally:
        for key in conf:
            session.conf.unset(key)


def _metadata(commit: Commit) -> dict[str, str]:
    return {f"{_DELTA}.commitInfo.userMetadata": commit.metadata}


def _transaction(commit: Commit) -> dict[str, str]:
    return {f"{_DELTA}.write.txnAppId": commit.transaction, f"{_DELTA}.write.txnVersion": "1"}


def _options(commit: Commit) -> dict[str, str]:
    """The same as a writer's options."""
    return {"userMetadata": commit.metadata, "txnAppId": commit.transaction, "txnVersion": "1"}


def _own_version(table: str, commit: Commit) -> int:
    """The newest version with the commit's metadata: others may have written since."""
    return next(version.version for version in versions(table, limit=_RECENT) if version.metadata == commit.metadata)


def _nothing(table: str) -> Written:
    return Written(existing_table(table).version(), is_committed=False)


def _merged(table: str, counted: "Row", *, commit: Commit) -> Written:
    return Written(
        _own_version(table, commit),
        inserted=counted.num_inserted_rows,
        updated=counted.num_updated_rows,
        deleted=counted.num_deleted_rows,
    )


def _brief(error: PySparkException) -> str:
    """Without the server's stack, and of gRPC's own errors only what went wrong."""
    message = (error.getMessage() or str(error)).split("\n\nJVM stacktrace:")[0].strip()
    details = re.search(r'details = "(.+)"', message)
    return details[1] if details else message
