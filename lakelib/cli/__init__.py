"""The command `lake`. Nothing that is slow to import is imported before the command that needs it runs."""

from lakelib.cli.app import main

__all__ = ["main"]
