"""The archive: what lies there, what was said there, what need not be kept."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakelib.cli.display import AsJson, show_json, show_rows
from lakelib.errors import UsageError

if TYPE_CHECKING:
    from lakelib.runner.archive import Archived
    from lakelib.runner.receipt import Receipt

__all__ = ["app", "vacuum"]

app = typer.Typer(help="The archive of executed notebooks: list it, search it, prune it.", no_args_is_help=True)
Tables = Annotated[list[str] | None, typer.Argument(metavar="[TABLE…]", help="none means all")]


@app.command()
def ls(tables: Tables = None, *, as_json: AsJson = False) -> None:
    """List the runs in the archive, newest first, each with the size of its files."""
    rows = [_line(archived, receipt) for archived, receipt in _found(tables)]
    _show(rows, as_json=as_json, otherwise="The archive holds no such run.", spare=("page", "kilobytes"))


@app.command()
def grep(
    pattern: Annotated[str, typer.Argument(help="a regular expression")],
    tables: Tables = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Search code, prose and outputs of the executed notebooks, newest first; exit code 1 where nothing is found."""
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"{pattern!r} is no regular expression: {error}.", hint="Put a \\ before ( [ . * + ?"
        ) from error
    rows = [
        {"run_id": receipt.run_id, "table": receipt.table, "interval": receipt.interval, "cell": cell, "line": line}
        for archived, receipt in _found(tables)
        for cell, line in archived.lines()
        if wanted.search(line)
    ]
    _show(rows, as_json=as_json, otherwise=f"{pattern} is nowhere in the archive.")
    if not rows:
        raise typer.Exit(1)


@app.command()
def prune(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list what it would delete")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete runs older than the setting `keep_days`, save the newest of each table and interval."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.retention import prune as pruned
    from lakelib.settings import load_settings

    settings = load_settings()
    with open_store(settings) as store:
        gone = pruned(settings, store, dry_run=dry_run)
    rows = [{"run_id": each.run_id, "folder": str(each.folder)} for each in gone]
    _show(rows, as_json=as_json, otherwise=f"Nothing is older than {settings.keep_days:g} days.")


def vacuum(
    tables: Tables = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count what it would delete")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete files of tables that neither the last `keep_days` nor a run in the archive needs."""
    from lakelib.runner.retention import vacuum as vacuumed
    from lakelib.settings import load_settings
    from lakelib.tables.finding import find_tables, not_found

    existing = [str(table) for table in find_tables()]
    for table in tables or ():
        if table not in existing:
            raise not_found(table)
    rows = [
        {"table": each.table, "files": each.files, "kept versions": len(each.kept)}
        for each in vacuumed(load_settings(), tables or existing, dry_run=dry_run)
    ]
    _show(rows, as_json=as_json, otherwise="There is no table yet.")


def _found(tables: list[str] | None) -> "Iterator[tuple[Archived, Receipt]]":
    from lakelib.runner.archive import place, receipts
    from lakelib.settings import load_settings

    archive = load_settings().archive
    wanted = (each for each in receipts(archive) if not tables or each.table in tables)
    for receipt in sorted(wanted, key=lambda each: each.started_at, reverse=True):
        yield place(archive, receipt.table, interval=receipt.interval, run_id=receipt.run_id), receipt


def _line(archived: "Archived", receipt: "Receipt") -> dict[str, Any]:
    return {
        "run_id": receipt.run_id,
        "table": receipt.table,
        "interval": receipt.interval,
        "status": receipt.status,
        "kilobytes": archived.size_bytes() // 1024,
        "page": str(archived.page),
    }


def _show(rows: list[dict[str, Any]], *, as_json: bool, otherwise: str, spare: Sequence[str] = ()) -> None:
    if as_json:
        show_json(rows)
    elif rows:
        show_rows(rows, spare=spare)
    else:
        typer.echo(otherwise)
