"""The lake's health: what is late, failed, held, stuck or running."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakelib.cli.display import AsJson, errors, show_json, show_rows

if TYPE_CHECKING:
    from lakelib.runner.health import TableHealth

__all__ = ["status"]


def status(
    *,
    alert: Annotated[bool, typer.Option("--alert", help="tell `alerts` of what came and what is over")] = False,
    end_stuck: Annotated[bool, typer.Option("--end-stuck", help="kill runners that are silent (takes 25 s)")] = False,
    as_json: AsJson = False,
) -> None:
    """Show each table's health: late, failed, held, stuck, running; exit code 1 where one has a problem."""
    from lakelib.runner.abandonment import bury_abandoned, open_store
    from lakelib.runner.health import look
    from lakelib.settings import load_settings

    settings = load_settings()
    with open_store(settings) as store:
        if end_stuck:
            from lakelib.runner.stopping import end_stuck as ended

            for run_id in ended(store):
                errors.print(f"{run_id} was stuck; its runner was killed.")
            bury_abandoned(store, settings)
        tables = look(settings, store)
        if alert:
            from lakelib.runner.alerting import announce

            for told in announce(tables, settings=settings, store=store):
                errors.print(f"Told: {told}", markup=False)
    if as_json:
        show_json([_as_json(each) for each in tables])
    else:
        show_rows([_line(each) for each in tables])
    if any(each.problems for each in tables):
        raise typer.Exit(1)


def _as_json(table: "TableHealth") -> dict[str, Any]:
    return {
        "table": table.table,
        "state": table.state,
        "succeeded_at": table.succeeded_at.isoformat() if table.succeeded_at else None,
        "promised_seconds": table.promised.total_seconds() if table.promised else None,
        "running": list(table.running),
        "problems": dict(table.problems),
    }


def _line(table: "TableHealth") -> dict[str, Any]:
    return {
        "table": table.table,
        "state": table.state,
        "last success (UTC)": _minute(table.succeeded_at),
        "promised": str(table.promised) if table.promised else None,
        "what": "; ".join(table.problems.values()) or ", ".join(table.running),
    }


def _minute(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else None
