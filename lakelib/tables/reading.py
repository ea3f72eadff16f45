"""Tables in."""

from typing import TYPE_CHECKING

from lakelib import context, events
from lakelib.contracts import table_schema
from lakelib.errors import TableNotFoundError
from lakelib.intervals import Interval
from lakelib.names import TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["pinned", "read"]


def read(name: str, *, delivered: Interval | None = None) -> "DataFrame":
    """The table as it is now, and for the rest of this run: its version is pinned at the first read.

    `delivered` keeps the rows whose `_delivered_on` lies in the interval, and those of undated deliveries. A run may
    read the table it writes; before the first write that is an empty one.

    Raises:
        TableNotFoundError: nothing has been written there yet.
        UndeclaredReadError: the notebook's code does not name this table in a literal.
    """
    run, table = context.current(), TableName.parse(name)
    run.check_declared(table)
    version = pinned(table)
    if version is None and table == run.target:
        return run.engine.session.createDataFrame([], table_schema(run.contract(table)))
    if version is None:
        raise TableNotFoundError(
            f"Table {name} was asked for; there is none at {run.path(table)}.",
            hint=f"Load it first: lake run {name} --with-upstream.",
        )
    rows = run.engine.session.read.format("delta").option("versionAsOf", version).load(run.path(table))
    return rows if delivered is None else _delivered(rows, name, delivered)


def pinned(table: TableName) -> int | None:
    """The version of the table that this run sees; None while there is no table."""
    run = context.current()
    if table not in run.pins:
        version = run.engine.version(run.path(table))
        if version is None:
            return None
        run.pins[table] = version
        events.publish(events.TableRead(str(table), version))
    return run.pins[table]


def _delivered(rows: "DataFrame", name: str, interval: Interval) -> "DataFrame":
    from pyspark.sql import functions as F

    if "_delivered_on" not in rows.columns:
        raise TableNotFoundError(
            f"Deliveries {interval} of {name} were asked for; the table does not keep its rows' delivery dates.",
            hint="Bronze tables do, and those whose contract says `newestBy: _delivered_on`.",
        )
    day = F.col("_delivered_on")
    return rows.where(day.isNull() | day.between(F.lit(interval.start), F.lit(interval.end)))
