"""Runs: what was executed, and how it ended."""

from typing import Annotated, Any

import typer

from lakelib.cli.display import AsJson, console, show_json, show_rows
from lakelib.errors import UsageError
from lakelib.settings import load_settings

__all__ = ["runs", "show"]


def runs(
    limit: Annotated[int, typer.Option(help="so many, newest first")] = 20,
    *,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="make the run store again from the archive first")] = False,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.archive import receipts

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
    as_json: AsJson = False,
) -> None:
    """Show one run: what it read, wrote and checked, where its page is."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.archive import place
    from lakelib.runner.receipt import interval_name

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
    receipt = archived.read_receipt().model_dump(mode="json")
    if as_json:
        show_json(receipt)
        return
    for name in (
        "run_id",
        "table",
        "title",
        "status",
        "parameters",
        "engine",
        "started_at",
        "seconds",
        "rows",
        "error",
    ):
        console.print(f"{name:<12} {_text(receipt[name])}", markup=False, soft_wrap=True)
    for name in ("reads", "deliveries", "writes", "rules"):
        console.print(f"{name:<12} {_text(receipt[name])}", markup=False, soft_wrap=True)
    console.print(f"{'page':<12} {archived.page}", markup=False, soft_wrap=True)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"\n  {_text(item)}" for item in value)
    return "" if value is None else str(value)
