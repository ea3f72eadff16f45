"""How commands show things: tables for people, JSON for programs, wide plain lines where there is no terminal."""

import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import typer
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

__all__ = ["AsJson", "console", "errors", "show_json", "show_records", "show_rows", "show_table", "tell_limit"]

# Without a terminal nothing is cut or wrapped: somebody's grep reads it.
_PLAIN_WIDTH: Final = 10_000
_LONGEST_NAME: Final = 32
_NARROWEST_COLUMN: Final = 10

console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)
errors = Console(stderr=True, soft_wrap=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output")]


def tell_limit(limit: int) -> None:
    """Where more were found than are shown."""
    errors.print(f"Only the newest {limit} are shown; --limit raises that.")


def show_json(value: Any) -> None:
    """Dates, decimals and whatever else JSON lacks are written as text."""
    sys.stdout.write(json.dumps(value, indent=1, default=str, ensure_ascii=False) + "\n")


def show_rows(
    rows: Sequence[Mapping[str, Any]], *, names: Sequence[str] = (), null: str = "", spare: Sequence[str] = ()
) -> None:
    """A table of rows that have the same keys, which are its head; `names` are, where there may be no row.

    `spare` are the columns that a terminal goes without where not all fit, the first one first.
    """
    shown = [*rows[0]] if rows else [*names]
    for name in spare:
        if console.is_terminal and _width(shown, rows, null=null) > console.width:
            shown.remove(name)
    show_table(shown, [[row[name] for name in shown] for row in rows], null=null)


def _width(names: Sequence[str], rows: Sequence[Mapping[str, Any]], *, null: str) -> int:
    """Of a table in which nothing is folded."""
    return sum(2 + max(map(len, [name, *(_text(row[name], null=null) for row in rows)])) for name in names) - 2


def show_table(names: Sequence[str], rows: Sequence[Sequence[Any]], *, null: str = "") -> None:
    """Columns of numbers to the right; what a row is known by, in the first one, in one piece.

    `null`: how a missing value is shown, also inside a list.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    texts = [[_text(value, null=null) for value in row] for row in rows]
    for number, name in enumerate(names):
        kinds = {_is_number(row[number]) for row in rows if row[number] is not None}
        is_whole = number == 0 and all(len(row[0]) <= _LONGEST_NAME for row in texts)
        justify: JustifyMethod = "right" if kinds == {True} else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=is_whole)
    for row in texts:
        table.add_row(*map(Text, row))
    console.print(table)


def show_records(names: Sequence[str], rows: Sequence[Sequence[Any]], *, null: str = "") -> None:
    """As `show_table`; on a terminal that is too narrow for so many columns, a line for each value."""
    if len(names) * _NARROWEST_COLUMN <= console.width:
        show_table(names, rows, null=null)
        return
    for row in rows:
        show_table(("column", "value"), list(zip(names, (_text(value, null=null) for value in row), strict=True)))
        console.print()


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
