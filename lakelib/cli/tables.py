"""Tables: ask them, see their past, go back to it."""

from dataclasses import asdict
from typing import Annotated

import typer

from lakelib.cli.display import AsJson, errors, show_json, show_rows

__all__ = ["history", "restore", "sql"]

Table = Annotated[str, typer.Argument(metavar="TABLE", help="such as silver.flights")]


def sql(
    query: Annotated[str, typer.Argument(metavar="SELECT", help="one query; tables are layer.table")],
    limit: Annotated[int, typer.Option(help="so many rows at most")] = 1000,
    *,
    as_json: AsJson = False,
) -> None:
    """Answer a read-only SQL query over the lake's tables."""
    from lakelib.tables import query as answer

    rows = answer(query).limit(limit + 1).toArrow().to_pylist()
    if as_json:
        show_json(rows[:limit])
    else:
        show_rows(rows[:limit])
    if len(rows) > limit:
        errors.print(f"Only the first {limit} rows are shown; --limit raises that.")


def history(
    table: Table,
    limit: Annotated[int, typer.Option(help="so many versions, newest first")] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """List a table's versions, newest first."""
    from lakelib.tables import history as versions

    rows = [asdict(version) for version in versions(table, limit=limit)]
    if as_json:
        show_json(rows)
    else:
        show_rows(rows)


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
