"""SQL for people: any table by its name, read-only."""

import re
from typing import TYPE_CHECKING

from lakelib import context
from lakelib.engine.losses import is_lost
from lakelib.errors import EngineError, QueryError, first_line
from lakelib.names import TableName
from lakelib.tables.finding import find_tables
from lakelib.tables.query_errors import WRAPPER, check_query, query_error

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["query"]


def query(sql: str) -> "DataFrame":
    """The result of one SELECT over the lake's tables, each by its name (silver.flights), at their newest versions.

    For people: a run on schedule reads by `tables.read`, which pins versions and is known before it starts.

    Raises:
        QueryError: not one query, one that reads paths instead of tables, or a run on schedule. What would change
            something is refused before it runs.
        EngineError: a table that it may name can't be read.
    """
    if not context.current().is_interactive:
        raise QueryError(
            f"A run on schedule asked in SQL: {sql.strip()}",
            hint='Read by tables.read("layer.table"), so that the graph knows what this notebook reads.',
        )
    from pyspark.errors import PySparkException

    check_query(sql)
    session, text = context.current().engine.session, sql.strip().rstrip(";").strip()
    try:
        _register(sql)
        _ = session.sql(text.join(WRAPPER)).schema  # nothing is run to find out
        return session.sql(text)
    except PySparkException as error:
        raise query_error(error, text) from error


def _register(sql: str) -> None:
    """Makes the tables that the query may name known to the session's SQL.

    Each time anew: sessions of one server share its names, and another lake may have given them to its tables.
    """
    from pyspark.errors import PySparkException

    run, tables = context.current(), find_tables()
    for layer in sorted({name.layer for name in tables}):
        run.engine.session.sql(f"CREATE DATABASE IF NOT EXISTS {layer}")
    for name in tables:
        if _names(sql, name.layer) and _names(sql, name.table):
            run.engine.session.sql(f"DROP TABLE IF EXISTS {name.layer}.`{name.table}`")
            place = run.path(name).replace("\\", r"\\").replace("'", r"\'")
            try:
                run.engine.session.sql(f"CREATE TABLE {name.layer}.`{name.table}` USING delta LOCATION '{place}'")
            except PySparkException as error:
                if is_lost(str(error)):
                    raise
                raise _unreadable(name, error) from error


def _names(sql: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sql, re.IGNORECASE) is not None


def _unreadable(name: TableName, error: Exception) -> EngineError:
    return EngineError(
        f"Table {name} was asked for and can't be read: {first_line(error)}",
        hint=f"Look at it with `lake history {name}`.",
    )
