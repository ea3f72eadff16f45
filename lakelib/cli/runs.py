"""Runs: what was executed, and how it ended."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lakelib.cli.display import AsJson, console, errors, show_json, show_rows, tell_limit

if TYPE_CHECKING:
    from lakelib.runner.archive import Archived
    from lakelib.runner.receipt import Receipt

__all__ = ["find_run", "runs", "show"]

_FACTS: Final = (
    *(
        "run_id",
        "table",
        "title",
        "status",
        "parameters",
        "engine",
        "attempt",
        "started_at",
        "seconds",
        "rows",
        "error",
    ),
    *("reads", "deliveries", "writes", "rules"),
)


def runs(
    limit: Annotated[int, typer.Option(help="so many, newest first", min=1)] = 20,
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
        rows = store.newest(limit=limit + 1)
    if as_json:
        show_json(rows[:limit])
    elif rows:
        show_rows([_line(row) for row in rows[:limit]], spare=("attempt", "quarantined", "staged", "seconds"))
    else:
        errors.print("Nothing was run yet; where the archive has runs, --rebuild lists them again.")
    if len(rows) > limit:
        tell_limit(limit)


def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="a run id, or how it begins")],
    *,
    timing: Annotated[bool, typer.Option("--timing", help="where its time went")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one run: what it read, wrote and checked, where its page is."""
    archived = find_run(run_id)
    receipt = archived.existing_receipt()
    if timing:
        _show_timing(receipt, is_json=as_json)
    elif as_json:
        show_json(receipt.model_dump(mode="json"))
    else:
        _show_facts(receipt.model_dump(mode="json"), page=str(archived.page))


def find_run(run_id: str) -> "Archived":
    """What the archive has of the one run whose id begins so. Raises UsageError when it is none or several."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.archive import archived_run
    from lakelib.settings import load_settings

    settings = load_settings()
    with open_store(settings) as store:
        return archived_run(store.find(run_id), settings.archive)


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    from lakelib.runner.receipt import interval_name

    is_retried = (row["attempt"] or 1) > 1
    return {
        "run_id": row["run_id"],
        "table": row["table_name"],
        "interval": interval_name(row["start_date"], row["end_date"]),
        **{name: row[name] for name in ("status", "staged", "published", "quarantined", "seconds")},
        "attempt": row["attempt"] if is_retried else None,
        "error": f"{row['error_kind']} (transient)" if row["is_transient"] else row["error_kind"],
    }


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
