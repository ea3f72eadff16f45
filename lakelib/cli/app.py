"""The commands put together, and the process's outermost edge."""

import gc
import os
import sys
from io import TextIOWrapper
from typing import Any, Final

import typer
from typer.core import TyperGroup

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
from lakelib.errors import LakeError, first_line

__all__ = ["app", "run"]

_WHOLE: Final = 1000
_ENGINES: Final = frozenset({"pyspark", "deltalake", "_internal"})  # `_internal` is delta-rs
# Most of what a command makes is imported and stays: Python's own thresholds take a seventh of the time to look at it.
_GC_THRESHOLDS: Final = (10_000, 50, 50)


class _Commands(TyperGroup):
    """Help shows what each command does in whole, on several lines where one is too short."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(commands)


app = typer.Typer(
    help="Notebooks as production units: run them in order, look at what ran, ask the tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    cls=_Commands,
    rich_markup_mode=None,  # Typer's boxes take half as long to import as all else here
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
for name, group in {"archive": archive, "contract": contract, "catalog": catalog, "engine": engine}.items():
    app.add_typer(group.app, name=name, cls=_Commands)


def run() -> None:
    """Exit codes: 0 done, 1 failed, 2 wrong use. A LakeError is shown as its message and hint, without a traceback.

    So is what the system or an engine says, as of a file that is gone.
    """
    gc.set_threshold(*_GC_THRESHOLDS)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where a terminal lacks a character
    try:
        app()
    except LakeError as error:
        _say(error.message, hint=error.hint)
        sys.exit(error.exit_code)
    except OSError as error:
        _say(str(error))
        try:
            sys.stdout.flush()
        except OSError:  # what can't be written shall not fail once more when the interpreter ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _ENGINES:
            raise
        _say(first_line(error))
        sys.exit(1)
    finally:
        # An interpreter that ends looks for garbage in all that was imported, which takes a third of a second.
        gc.freeze()


def _say(message: str, *, hint: str = "") -> None:
    errors.print(f"Error: {message}", markup=False, highlight=False)
    if hint:
        errors.print(f"Hint: {hint}", markup=False, highlight=False)
