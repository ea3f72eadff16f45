"""Runs: what was executed, and how it ended."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lakelib.cli.display import AsJson, console, show_json, show_rows
from lakelib.errors import UsageError

if TYPE_CHECKING:
    from lakelib.runner.receipt import Receipt

__all__ = ["runs", "show"]

_FACTS: Final = (
    *("run_id", "table", "title", "status", "parameters", "engine", "started_at", "seconds", "rows", "error"),
    *("reads", "deliveries", "writes", "rules"),
)


def runs(
    limit: Annotated[int, typer.Option(help="so many, newest first")] = 20,
    *,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="make the run store again from the archive first")] = False,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.archive import receipts
    from lakelib.settings import load_settings

    settings = load_settings()
    with open_store(settings) as store:
        if rebuild:
            store.rebuild(receipts(settings.archive))
        rows = store.newest(limit=limit)
    if as_json:
        show_json(rows)
    else:
        shown = ("run_id", "table_name", "start_date", "end_date", "status", "staged", "published", "quarantined")
        show_rows([{name: row[name] for name in (*shown, "seconds", "error_kind")} for row in rows])


def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="a run id, or how it begins")],
    *,
    timing: Annotated[bool, typer.Option("--timing", help="where its time went")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one run: what it read, wrote and checked, where its page is."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.archive import place
    from lakelib.runner.receipt import interval_name
    from lakelib.settings import load_settings

    settings = load_settings()
    with open_store(settings) as store:
        row = store.find(run_id)
    interval = interval_name(row["start_date"], row["end_date"])
    archived = place(settings.archive, row["table_name"], interval=interval, run_id=row["run_id"])
    if not archived.receipt.exists():
        raise UsageError(
            f"Run {row['run_id']} was asked for; its receipt is no longer at {archived.receipt}.",
            hint="`lake runs --rebuild` makes the list again from what the archive holds.",
        )
    receipt = archived.read_receipt()
    if timing:
        _show_timing(receipt, is_json=as_json)
    elif as_json:
        show_json(receipt.model_dump(mode="json"))
    else:
        _show_facts(receipt.model_dump(mode="json"), page=str(archived.page))


def _show_timing(receipt: "Receipt", *, is_json: bool) -> None:
    from lakelib.runner.timing import breakdown

    parts = [asdict(part) for part in breakdown(receipt)]
    if is_json:
        show_json(parts)
    else:
        console.print(f"{receipt.table} {receipt.interval}, {receipt.seconds} s:", markup=False, soft_wrap=True)
        show_rows(parts)


def _show_facts(receipt: Mapping[str, Any], *, page: str) -> None:
    for name in _FACTS:
        console.print(f"{name:<12} {_text(receipt[name])}", markup=False, soft_wrap=True)
    console.print(f"{'page':<12} {page}", markup=False, soft_wrap=True)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"\n  {_text(item)}" for item in value)
    return "" if value is None else str(value)
