"""SQL for people: any table by its name, read-only."""

from typing import TYPE_CHECKING

from lakelib import context
from lakelib.errors import QueryError
from lakelib.tables.finding import find_tables
from lakelib.tables.query_errors import WRAPPER, check_query, query_error

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["query", "register"]


def query(sql: str) -> "DataFrame":
    """The result of one SELECT over the lake's tables, each by its name (silver.flights), at their newest versions.

    For people: a run on schedule reads by `tables.read`, which pins versions and is known before it starts.

    Raises:
        QueryError: not one query, one that reads paths instead of tables, or a run on schedule. What would change
            something is refused before it runs.
    """
    if not context.current().is_interactive:
        raise QueryError(
            f"A run on schedule asked in SQL: {sql.strip()}",
            hint='Read by tables.read("layer.table"), so that the graph knows what this notebook reads.',
        )
    from pyspark.errors import PySparkException

    check_query(sql)
    register()
    session, text = context.current().engine.session, sql.strip().rstrip(";").strip()
    try:
        _ = session.sql(text.join(WRAPPER)).schema  # nothing is run to find out
        return session.sql(text)
    except PySparkException as error:
        raise query_error(error, text) from error


def register() -> None:
    """Makes every table of the warehouse known to the session's SQL by its name."""
    run = context.current()
    for name in find_tables():
        run.engine.session.sql(f"CREATE DATABASE IF NOT EXISTS {name.layer}")
        run.engine.session.sql(
            f"CREATE TABLE IF NOT EXISTS {name.layer}.`{name.table}` USING delta LOCATION '{run.path(name)}'"
        )
