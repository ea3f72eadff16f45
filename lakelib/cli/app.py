"""The commands put together, and the process's outermost edge."""

import sys

import typer

from lakelib.cli import (
    archive,
    catalog,
    contract,
    deliveries,
    doctor,
    engine,
    health,
    notebooks,
    projects,
    receipts,
    recovery,
    runs,
    tables,
)
from lakelib.cli.display import errors
from lakelib.errors import LakeError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Notebooks as production units: run them in order, look at what ran, ask the tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    projects.init,
    projects.new,
    notebooks.run,
    recovery.resume,
    health.status,
    notebooks.ls,
    notebooks.graph,
    runs.runs,
    runs.show,
    receipts.diff,
    receipts.replay,
    receipts.rollback,
    archive.vacuum,
    tables.sql,
    tables.history,
    tables.restore,
    deliveries.deliveries,
    deliveries.release,
    deliveries.verify,
    contract.migrate,
    catalog.lineage,
    catalog.impact,
    doctor.doctor,
):
    app.command()(command)
app.add_typer(archive.app, name="archive")
app.add_typer(contract.app, name="contract")
app.add_typer(catalog.app, name="catalog")
app.add_typer(engine.app, name="engine")


def main() -> None:
    """Exit codes: 0 done, 1 failed, 2 wrong use. A LakeError is shown as its message and hint, without a traceback."""
    try:
        app()
    except LakeError as error:
        errors.print(f"Error: {error.message}", markup=False, highlight=False)
        if error.hint:
            errors.print(f"Hint: {error.hint}", markup=False, highlight=False)
        sys.exit(error.exit_code)
