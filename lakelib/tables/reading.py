"""Tables in."""

from typing import TYPE_CHECKING, Final

from lakelib import context, events
from lakelib.contracts import table_schema
from lakelib.errors import TableNotFoundError
from lakelib.intervals import Interval
from lakelib.lineage import watch
from lakelib.names import TableName
from lakelib.tables.finding import not_found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import Column, DataFrame

    from lakelib.engine import Version

__all__ = ["changes", "pinned", "read"]

_AT_FIRST: Final = 50  # commits, of which nearly always the newest tells what is asked


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
    watch(run.engine.session)
    version = pinned(table)
    if version is None and table == run.target:
        return run.engine.session.createDataFrame([], table_schema(run.contract(table)))
    if version is None:
        raise not_found(name)
    rows = run.engine.session.read.format("delta").option("versionAsOf", version).load(run.path(table))
    return rows if delivered is None else rows.where(_is_delivered(rows, name, delivered))


def changes(name: str, *, delivered: Interval) -> "DataFrame":
    """The table's rows that a run over `delivered` has to look at: what an incremental table is computed from.

    These are the rows of the interval's deliveries, and those that were written since the table of this run last read
    this one: a row can change without being delivered again (its time zone became known, a run was caught up on).
    Rows that went are not seen. A table that never read this one starts with the interval's rows.

    Raises:
        TableNotFoundError: nothing has been written there yet, or it does not keep delivery dates.
        UndeclaredReadError: the notebook's code does not name this table in a literal.
    """
    from pyspark.sql import functions as F

    rows = read(name)
    is_delivered = _is_delivered(rows, name, delivered)
    writers = _writers_since(TableName.parse(name), _last_read(name))
    return rows.where(is_delivered | F.col("_run_id").isin(writers) if writers else is_delivered)


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


def _last_read(name: str) -> int | None:
    """The version of table `name` that the newest commit of this run's table was made from."""
    run = context.current()
    if run.target is None or run.engine.version(run.path(run.target)) is None:
        return None
    for commit in _newest_first(run.path(run.target)):
        if commit.operation == "RESTORE":
            return None
        if name in (reads := commit.made_by.get("reads", {})):
            return int(reads[name])
    return None


def _newest_first(table: str) -> "Iterator[Version]":
    engine = context.current().engine
    newest = engine.history(table, limit=_AT_FIRST)
    yield from newest
    if len(newest) == _AT_FIRST:
        yield from (commit for commit in engine.history(table) if commit.version < newest[-1].version)


def _writers_since(table: TableName, version: int | None) -> list[str]:
    """The runs that committed to the table after `version`, up to the version that this run sees."""
    run = context.current()
    newest = run.pins.get(table)
    if version is None or newest is None or newest <= version:
        return []
    now = run.engine.version(run.path(table)) or newest
    commits = run.engine.history(run.path(table), limit=now - version)
    runs = {commit.made_by.get("run_id") for commit in commits if version < commit.version <= newest}
    return sorted(each for each in runs if each)


def _is_delivered(rows: "DataFrame", name: str, interval: Interval) -> "Column":
    from pyspark.sql import functions as F

    if "_delivered_on" not in rows.columns:
        raise TableNotFoundError(
            f"Deliveries {interval} of {name} were asked for; the table does not keep its rows' delivery dates.",
            hint="Bronze tables do, and those whose contract says `newestBy: _delivered_on`.",
        )
    day = F.col("_delivered_on")
    return day.isNull() | day.between(F.lit(interval.start), F.lit(interval.end))
