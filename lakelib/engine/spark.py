"""The engine behind a Spark Connect server, the project's own or a cluster's: Spark computes, Delta commits."""

import atexit
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from pyspark.errors import PySparkException
from upath import UPath

from lakelib.engine.delta_log import existing_table, has_transaction, newest_version, row_count, versions
from lakelib.engine.delta_sql import add_columns_sql, changes_sql, create_sql, merge_sql, restore_sql
from lakelib.engine.protocol import Commit, Merge, Version, Written
from lakelib.engine.spark_server import Server, ensure_server
from lakelib.errors import CommitConflictError, EngineError
from lakelib.settings import Settings, read_secret

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

__all__ = ["SparkEngine"]

_Result = TypeVar("_Result")

_ATTEMPTS: Final = 6
_STAGED: Final = "_lakelib_staged"
_DELTA: Final = "spark.databricks.delta"
_SESSION_CONF: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.connect.serverStacktrace.enabled": "false",
    "spark.sql.pyspark.jvmStacktrace.enabled": "false",
}
_LOST: Final = ("StatusCode.UNAVAILABLE", "INVALID_HANDLE.SESSION", "SESSION_CHANGED", "NO_ACTIVE_SESSION")
_CONFLICTS: Final = ("DELTA_CONCURRENT", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED")


class SparkEngine:
    """Holds one session. A lost server is an EngineError within seconds; the next use of the engine makes a session.

    Where `engine` of the settings is `spark`, the project's resident server is used, and started when none runs.
    """

    name = "spark"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: Server | None = None
        self._session: SparkSession | None = None
        self._using = threading.RLock()

    @property
    def session(self) -> "SparkSession":
        """Raises EngineError when the server is gone or does not start."""
        with self._using:
            if self._session is not None and self._server is not None and not self._server.is_alive():
                raise self._lost("its session was asked for")
            if self._session is None:
                self._session = self._connected()
            return self._session

    def version(self, table: str) -> int | None:
        return newest_version(table)

    def create(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        def make() -> None:
            if newest_version(table) is None:
                self._run(create_sql(table, schema), conf=_metadata(commit))

        self._committed(f"Creating {table}", make)

    def add_columns(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        def add() -> None:
            known = {field.name for field in existing_table(table).schema().fields}
            missing = [field for field in schema.fields if field.name not in known]
            if missing:
                self._run(add_columns_sql(table, missing), conf=_metadata(commit))

        self._committed(f"Adding columns to {table}", add)

    def append(self, staged: str, table: str, *, commit: Commit) -> Written:
        return self._published(f"An append to {table}", table, commit=commit, write=lambda: self._append(staged, table, commit=commit))

    def replace(self, staged: str, table: str, *, where: str, commit: Commit) -> Written:
        return self._published(table, commit, lambda: self._replace(staged, table, where=where, commit=commit))

    def merge(self, staged: str, table: str, *, merge: Merge, commit: Commit) -> Written:
        return self._published(table, commit, lambda: self._merge(staged, table, merge=merge, commit=commit))
