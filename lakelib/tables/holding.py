"""What a table holds at this moment, whatever version the run has pinned."""

from typing import TYPE_CHECKING

from lakelib import context
from lakelib.names import TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["held_rows"]


def held_rows(table: TableName) -> "DataFrame | None":
    """The rows of the table's newest version; None while there is no table."""
    run = context.current()
    path = run.path(table)
    return None if run.engine.version(path) is None else run.engine.session.read.format("delta").load(path)
