"""A benchmark as a command: what is wrong is said in a line, as `lake` does."""

import sys
from collections.abc import Callable

import typer

from lakelib.errors import LakeError

__all__ = ["run_command"]


def run_command(command: Callable[..., None]) -> None:
    """Calls the command with the process's arguments; a LakeError ends the process with its exit code."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app()
    except LakeError as error:
        typer.echo(f"Error: {error.message}\nHint: {error.hint}", err=True)
        sys.exit(error.exit_code)
