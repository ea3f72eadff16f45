"""How commands show things: tables for people, JSON for programs, wide plain lines where there is no terminal."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["AsJson", "console", "errors", "show_json", "show_rows"]

# Without a terminal nothing is cut or wrapped: somebody's grep reads it.
_PLAIN_WIDTH: Final = 10_000

console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)
errors = Console(stderr=True, soft_wrap=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output")]


def show_json(value: Any) -> None:
    """Dates, decimals and whatever else JSON lacks are written as text."""
    sys.stdout.write(json.dumps(value, indent=1, default=str, ensure_ascii=False) + "\n")


def show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """A table with the rows' keys as its head, numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, value in (rows[0] if rows else {}).items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row.values()))
    console.print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value))
    return str(value)
