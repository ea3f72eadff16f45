"""How commands show things: tables for people, JSON for programs, wide plain lines where there is no terminal."""

import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
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


def show_rows(rows: Sequence[Mapping[str, Any]], *, names: Sequence[str] = (), null: str = "") -> None:
    """A table, columns of numbers to the right.

    `names`: the head, by default the first row's keys. `null`: how a missing value is shown, also inside a list.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names or (rows[0] if rows else ()):
        kinds = {_is_number(row[name]) for row in rows if row[name] is not None}
        table.add_column(name, justify="right" if kinds == {True} else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(value, null=null)) for value in row.values()))
    console.print(table)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _text(value: Any, *, null: str) -> str:
    if value is None:
        return null
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_text(each, null=null) for each in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(each, null=null)}" for key, each in value.items())
    return str(value)
