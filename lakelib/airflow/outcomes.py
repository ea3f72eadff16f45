"""What a finished run is to Airflow: an XCom, an asset event, an address, a few lines of log."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from lakelib.settings import Settings

if TYPE_CHECKING:
    from lakelib.runner.results import RunResult

__all__ = ["PAGES", "asset_event", "failing_cell", "page_address", "xcom"]

PAGES = "/lake"  # where the plugin serves the archive


def xcom(result: "RunResult", page: str) -> dict[str, Any]:
    """The run as small JSON; `versions` are those that it wrote, none where a rerun changed nothing."""
    receipt = result.receipt
    return {
        "run_id": receipt.run_id if receipt else None,
        "table": result.table,
        "interval": result.interval,
        "status": result.status,
        "stops_dependants": result.stops_dependants,
        "page": page,
        "rows": receipt.rows.model_dump() if receipt else {},
        "versions": {write["table"]: write["version"] for write in receipt.writes} if receipt else {},
    }


def asset_event(result: "RunResult", page: str) -> dict[str, Any]:
    """What a DAG that is scheduled on the table learns; its notebooks cover the same days."""
    receipt = result.receipt
    told = xcom(result, page)
    return {
        "run_id": told["run_id"],
        "start_date": receipt.start_date if receipt else None,
        "end_date": receipt.end_date if receipt else None,
        "version": told["versions"].get(result.table),
        "published": told["rows"].get("published", 0),
        "page": page,
    }


def page_address(result: "RunResult", settings: Settings) -> str:
    """Where a browser finds the executed notebook; empty where nothing was executed."""
    if result.archived is None:
        return ""
    base = settings.airflow.pages or conf.get("api", "base_url", fallback="").rstrip("/") + PAGES
    return f"{base}/{result.archived.page.relative_to(settings.archive)}"


def failing_cell(result: "RunResult") -> str:
    """The source of the cell that the run ended in; empty where it ended in none."""
    if result.archived is None or not result.archived.notebook.exists():
        return ""
    cells = result.archived.read_notebook().cells
    return next((cell.source for cell in cells if cell.metadata.get("papermill", {}).get("status") == "failed"), "")
