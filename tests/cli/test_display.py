"""What lists show where not everything fits."""

from io import StringIO

import pytest
from rich.console import Console

from lakelib.cli import display

ROWS = [{"run": "20130101T000000-a", "table": "silver.flights", "rows": 12, "note": "a long remark of a person"}]


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (80, ["run", "table", "rows", "note"]),
        (66, ["run", "table", "rows", "note"]),
        (65, ["run", "table", "rows"]),
        (38, ["run", "table"]),
    ],
)
def test_a_list_goes_without_what_can_be_spared_where_not_all_fits(
    monkeypatch: pytest.MonkeyPatch, width: int, head: list[str]
) -> None:
    shown = StringIO()
    monkeypatch.setattr(display, "console", Console(file=shown, width=width, force_terminal=True, color_system=None))
    display.show_rows(ROWS, spare=("note", "rows"))
    lines = shown.getvalue().splitlines()
    assert (lines[0].split(), len(lines)) == (head, 2)
    assert lines[1].split()[:2] == ["20130101T000000-a", "silver.flights"]


def test_what_is_read_by_a_program_has_all_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = StringIO()
    monkeypatch.setattr(display, "console", Console(file=shown, width=38))
    display.show_rows(ROWS, spare=("note", "rows"))
    assert ROWS[0].keys() <= set(shown.getvalue().split())
