"""Contracts: write a first one, check them all, compare two, show them as pages, bring a table to its own."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lakelib.cli.display import AsJson, show_json, show_rows
from lakelib.errors import ContractError, UsageError
from lakelib.names import LAYERS, TableName

if TYPE_CHECKING:
    from lakelib.contracts import Contract
    from lakelib.contracts.evolution import Change

__all__ = ["app", "migrate"]

app = typer.Typer(
    help="Contracts: write a first one from data, check them, compare two, show them as pages.", no_args_is_help=True
)

_TABLE: Final = r"(bronze|silver|gold)\.\w+"
_GIT: Final = "git:"
Side = Annotated[str, typer.Argument(metavar="A", help="a contract file, git:REVISION:FILE, or a table")]


@app.command()
def infer(
    origin: Annotated[
        str,
        typer.Argument(
            metavar="PATH|TABLE",
            help="CSV, JSON (file#path), JSON lines, XML (file#row), Parquet, SQLite (file#table); or a table",
        ),
    ],
    name: Annotated[
        str, typer.Option(help="the table it is for; by default bronze for a file, the next layer for a table")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="a new file, instead of standard output")] = None,
) -> None:
    """Write a first contract from data: certain things as fields, what a person has to decide as comments."""
    from lakelib.contracts.inferring import infer_contract
    from lakelib.tables.sampling import sample

    table = TableName.parse(name or _default_name(origin))
    if out is not None and out.exists():
        raise UsageError(f"A contract was to be written to {out}, which exists.", hint="Give another --out.")
    text = infer_contract(table, sample(origin))
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        typer.echo(f"{out} is a contract for {table}: read its comments.")


@app.command()
def check(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="TABLE", help="such as silver.flights; by default all contracts")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check contracts: valid, their references and conditions hold good, the tables on disk agree."""
    from lakelib.tables.checking import contract_problems

    names = [TableName.parse(table) for table in tables] if tables else _all_names()
    problems = contract_problems(names)
    if as_json:
        show_json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            typer.echo(f"{problem.table}, {problem.level}: {problem.message}\n  Hint: {problem.hint}")
        typer.echo(f"{len(names)} contracts, {len(problems)} problems")
    if any(problem.level == "error" for problem in problems):
        raise typer.Exit(1)


@app.command()
def diff(
    before: Side,
    after: Annotated[str | None, typer.Argument(metavar="B", help="likewise; a table alone: with its contract")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two contracts, or a table with its contract; each difference breaks its readers or does not.

    Exit code 1: something breaks, and the contract's major version is not raised.
    """
    from lakelib.contracts.evolution import is_major_bump

    changes, versions = _table_changes(before) if after is None else _contract_changes(before, after)
    breaks = any(change.is_breaking for change in changes)
    if as_json:
        show_json([asdict(change) for change in changes])
    else:
        _show(changes)
        typer.echo(f"{len(changes)} differences, {sum(change.is_breaking for change in changes)} breaking")
    if breaks and not is_major_bump(*versions):
        raise typer.Exit(1)


@app.command()
def docs(
    out: Annotated[Path, typer.Option(help="the folder to write to; pages there are replaced")] = Path("docs/tables"),
) -> None:
    """Write a Markdown page a table: columns, key, rules, owner, what it is made from and read by; and an index."""
    from lakelib.contracts import load_contract
    from lakelib.contracts.pages import contract_page, index_page
    from lakelib.runner.facts import find_notebooks
    from lakelib.settings import load_settings

    project = load_settings().project
    contracts = [load_contract(name, project / "contracts") for name in _all_names()]
    known = {str(contract.name) for contract in contracts}
    reads = {str(notebook.table): known.intersection(notebook.reads) for notebook in find_notebooks(project)}
    out.mkdir(parents=True, exist_ok=True)
    for contract in contracts:
        name = str(contract.name)
        made_from = sorted(reads.get(name, set()) - {name})
        read_by = sorted(table for table, names in reads.items() if name in names and table in known - {name})
        page = contract_page(contract, reads=made_from, read_by=read_by)
        (out / f"{name}.md").write_text(page, encoding="utf-8")
    (out / "index.md").write_text(index_page(contracts), encoding="utf-8")
    typer.echo(f"{len(contracts)} pages and index.md in {out}")


def migrate(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="such as silver.flights")],
    reason: Annotated[str, typer.Option("--reason", "-m", help="why; the commit keeps it")] = "",
    *,
    is_dry: Annotated[bool, typer.Option("--dry-run", help="show what would be done, and do nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a table to the columns and the key of its contract, in one commit; its history stays readable."""
    from lakelib import context
    from lakelib.tables import migrating
    from lakelib.tables.finding import not_found

    if is_dry:
        planned = migrating.plan_migration(context.current().contract(TableName.parse(table)))
        if planned is None:
            raise not_found(table)
    else:
        planned = migrating.migrate(table, reason=reason)
    if as_json:
        show_json([asdict(change) for change in planned.changes])
    else:
        _show(planned.changes)
        done = "nothing to migrate" if not planned.changes else "not done yet" if is_dry else "migrated"
        typer.echo(f"{table}: {done}, contract {planned.written_under or 'unknown'} to {planned.contract.version}")
    if is_dry:
        migrating.check_version(planned)


def _all_names() -> list[TableName]:
    from lakelib.settings import load_settings

    files = (load_settings().project / "contracts").glob("*/*.yml")
    return sorted(TableName.parse(f"{file.parent.name}.{file.stem}") for file in files)


def _default_name(origin: str) -> str:
    if re.fullmatch(_TABLE, origin):
        layer, _, table = origin.partition(".")
        return f"{LAYERS[min(LAYERS.index(layer) + 1, len(LAYERS) - 1)]}.{table}"
    path, _, inside = origin.partition("#")
    stem = re.sub("[^a-z]+", "_", (inside or Path(path).name.partition(".")[0]).lower()).strip("_")
    return f"bronze.{stem or 'table'}"


def _table_changes(table: str) -> tuple[list["Change"], tuple[str, str]]:
    from lakelib import context
    from lakelib.tables.finding import not_found
    from lakelib.tables.migrating import plan_migration

    contract = context.current().contract(TableName.parse(table))
    planned = plan_migration(contract)
    if planned is None:
        raise not_found(table)
    return list(planned.changes), (planned.written_under or contract.version, contract.version)


def _contract_changes(before: str, after: str) -> tuple[list["Change"], tuple[str, str]]:
    from lakelib.contracts.evolution import contract_changes

    old, new = _contract(before), _contract(after)
    return contract_changes(old, new), (old.version, new.version)


def _contract(side: str) -> "Contract":
    from lakelib.contracts import load_contract, read_contract
    from lakelib.settings import load_settings

    if side.startswith(_GIT):
        with tempfile.TemporaryDirectory() as folder:
            return read_contract(_checked_out(side.removeprefix(_GIT), into=Path(folder)))
    if Path(side).is_file():
        return read_contract(Path(side))
    if re.fullmatch(_TABLE, side):
        return load_contract(TableName.parse(side), load_settings().project / "contracts")
    raise UsageError(
        f"A contract was asked for as {side}; there is no such file.",
        hint="Give a file, git:REVISION:FILE (as git show takes it), or a table as layer.table.",
    )


def _checked_out(place: str, *, into: Path) -> Path:
    shown = subprocess.run(["git", "show", place], capture_output=True, text=True, check=False)
    if shown.returncode:
        raise ContractError(
            f"git was asked for {place}; it says: {shown.stderr.strip()}", hint="git:HEAD:contracts/….yml"
        )
    file = into / Path(place.partition(":")[2]).name
    file.write_text(shown.stdout, encoding="utf-8")
    return file


def _show(changes: Sequence["Change"]) -> None:
    if changes:
        show_rows(
            [{"change": str(each), "breaks": "yes" if each.is_breaking else "no", "why": each.why} for each in changes]
        )
