"""A project of your own: begin it, and add tables to it."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lakelib.names import TableName

__all__ = ["init", "new"]


class Layer(StrEnum):
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or an empty folder")]) -> None:
    """Begin a project: configuration, one worked example, its test, a CI file. `lake run` in it runs at once."""
    from lakelib.scaffold.project import make_project

    make_project(folder)
    typer.echo(f"A project is in {folder}; README.md says what is where.")
    typer.echo(f"Run its example: cd {shlex.quote(str(folder))} && lake run")


def new(
    layer: Annotated[Layer, typer.Argument(metavar="bronze|silver|gold")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="the table's name without its layer")],
    *,
    origin: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="PATH|TABLE",
            help="a file (FILE#INSIDE) or folder below landing, DB-ADDRESS/TABLE, a table",
        ),
    ],
    by: Annotated[str, typer.Option(metavar="COLUMN,…", help="gold: count and sum for each of these")] = "",
) -> None:
    """Write a table's first notebook and contract, from its deliveries or from the table it is made of."""
    from lakelib.scaffold.table import make_table

    made = make_table(TableName.parse(f"{layer}.{name}"), origin, by=[each.strip() for each in by.split(",") if each])
    typer.echo(f"{made.contract_file}: what {layer}.{name} promises; read its comments.")
    typer.echo(f"{made.notebook_file}: how it is made.")
    if layer != Layer.BRONZE and not made.contract.key:
        typer.echo("No key was found: mark its columns with `primaryKey: true` in the contract before you run it.")
    typer.echo(f"Run it: lake run {layer}.{name}")
