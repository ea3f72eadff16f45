"""SQL for people: any table by its name, read-only."""

from typing import TYPE_CHECKING

from lakelib import context
from lakelib.errors import QueryError
from lakelib.names import TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["query", "register"]


def query(sql: str) -> "DataFrame":
    """The result of one SELECT over the lake's tables, each by its name (silver.flights), at their newest versions.

    For people: a run on schedule reads by `tables.read`, which pins versions and is known before it starts.

    Raises:
        QueryError: not one query, or a run on schedule. What would change something is refused before it runs.
    """
    if not context.current().is_interactive:
        raise QueryError(
            f"A run on schedule asked in SQL: {sql.strip()}",
            hint='Read by tables.read("layer.table"), so that the graph knows what this notebook reads.',
        )
    register()
    session, text = context.current().engine.session, sql.strip().rstrip(";").strip()
    try:
        # Only a query can stand where a table stands; nothing is run to find out.
        _ = session.sql(f"SELECT * FROM (\n{text}\n) LIMIT 0").schema
        return session.sql(text)
    except Exception as error:
        message = str(error).partition("\n\n")[0].partition("JVM stacktrace")[0].strip()
        raise QueryError(
            f"Not a query that can be answered: {text}\n{message}",
            hint="Write one SELECT; tables are layer.table, `lake ls` lists them.",
        ) from error


def register() -> None:
    """Makes every table of the warehouse known to the session's SQL by its name."""
    run = context.current()
    for log in sorted(run.settings.warehouse.glob("*/*/_delta_log")):
        folder = log.parent
        if folder.parent.name.startswith("_"):
            continue
        name = TableName.parse(f"{folder.parent.name}.{folder.name}")
        run.engine.session.sql(f"CREATE DATABASE IF NOT EXISTS {name.layer}")
        run.engine.session.sql(
            f"CREATE TABLE IF NOT EXISTS {name.layer}.`{name.table}` USING delta LOCATION '{folder}'"
        )
