"""Tables: ask them, see their past, go back to it."""

import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lakelib.cli.display import AsJson, errors, show_json, show_records, show_rows, tell_limit
from lakelib.errors import QueryError

if TYPE_CHECKING:
    from pyarrow import ChunkedArray

    from lakelib.engine import Version

__all__ = ["history", "restore", "rows_changed", "sql"]

_METRICS: Final = {
    "inserted": ("numtargetrowsinserted", "numaddedrows", "numnewrows"),
    "updated": ("numtargetrowsupdated", "numupdatedrows"),
    "deleted": ("numtargetrowsdeleted", "numdeletedrows"),
}
Table = Annotated[str, typer.Argument(metavar="TABLE", help="such as silver.flights")]


def sql(
    query: Annotated[
        str, typer.Argument(metavar="SELECT", help="one query, or - for standard input; tables are layer.table")
    ],
    limit: Annotated[int, typer.Option(help="so many rows at most", min=1)] = 1000,
    *,
    as_json: AsJson = False,
) -> None:
    """Answer a read-only SQL query over the lake's tables."""
    from pyspark.errors import PySparkException

    from lakelib.tables import query as answer
    from lakelib.tables.query_errors import query_error

    query = sys.stdin.buffer.read().decode("utf-8-sig", errors="surrogateescape") if query == "-" else query
    answerable = answer(query)
    try:
        answered = answerable.limit(limit + 1).toArrow()
    except PySparkException as error:  # about the data, such as a division by zero
        raise query_error(error, query) from error
    names = answered.column_names
    rows = list(zip(*map(_values, names, answered.columns), strict=True))
    if as_json and (twice := [name for name, times in Counter(names).items() if times > 1]):
        raise QueryError(f"JSON was asked for; two columns are called {twice[0]}.", hint="Name them apart, with AS.")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows[:limit]])
    else:
        show_records(names, rows[:limit], null="null")
    if len(rows) > limit:
        errors.print(f"Only the first {limit} rows are shown; --limit raises that.")


def _values(name: str, column: "ChunkedArray[Any]") -> list[Any]:
    try:
        return list(column.to_pylist())
    except OverflowError as error:
        raise QueryError(
            f"Column {name} has a day before the year 1 or after 9999, which Python can't show.",
            hint=f"Ask for its text: CAST({name} AS STRING).",
        ) from error


def history(
    table: Table,
    limit: Annotated[int, typer.Option(help="so many versions, newest first", min=1)] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """List a table's versions, newest first: who made each, and how many rows it changed."""
    from lakelib.tables import history as versions

    found = versions(table, limit=limit + 1)
    if as_json:
        show_json([asdict(version) | rows_changed(version) for version in found[:limit]])
    else:
        show_rows([_line(version) for version in found[:limit]], spare=("operation", "interval"))
    if len(found) > limit:
        tell_limit(limit)


def restore(
    table: Table,
    version: Annotated[int, typer.Option(help="as `lake history` lists it")],
    *,
    as_json: AsJson = False,
) -> None:
    """Make a table what it was at a version; later versions stay in its history."""
    from lakelib.tables import restore as restored

    made = restored(table, version=version)
    if as_json:
        show_json({"table": table, "restored": version, "version": made})
    else:
        typer.echo(f"{table} is what it was at version {version}, as version {made}.")


def _line(version: "Version") -> dict[str, Any]:
    made = version.made_by
    days = dict.fromkeys(str(made[end]) for end in ("start_date", "end_date") if end in made)
    return {
        "version": version.version,
        "time (UTC)": f"{version.timestamp:%Y-%m-%d %H:%M:%S}",
        "operation": version.operation + (f" of {version.restored}" if version.restored is not None else ""),
        "run": made.get("run_id"),
        "interval": "..".join(days),
        **rows_changed(version),
    }


def rows_changed(version: "Version") -> dict[str, int | None]:
    """Rows by what happened to them, None where the writer did not count: both leave out what an overwrite deletes."""
    # delta-rs says num_target_rows_inserted, Spark numTargetRowsInserted.
    counted = {name.replace("_", "").lower(): value for name, value in version.metrics.items()}
    if "numoutputrows" in counted:
        # Spark counts the rows that it copied from files it rewrote as output.
        counted["numnewrows"] = str(int(counted["numoutputrows"]) - int(counted.get("numcopiedrows", 0)))
    return {
        change: next((int(counted[name]) for name in names if name in counted), None)
        for change, names in _METRICS.items()
    }
