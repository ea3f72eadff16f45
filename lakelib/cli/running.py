"""Running notebooks from a command: progress while they run, what became of them, the exit code."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from lakelib.cli.display import console, show_json

if TYPE_CHECKING:
    from lakelib.runner.results import RunResult
    from lakelib.settings import Settings

__all__ = ["run_shown", "show_results"]


def run_shown(settings: "Settings", selection: Sequence[str], *, is_quiet: bool, **request: Any) -> "list[RunResult]":
    """`run_notebooks` with its progress shown: on standard error where that is quiet for a program."""
    from lakelib.cli.progress import shown_progress
    from lakelib.runner.batch import run_notebooks

    with shown_progress(is_quiet=is_quiet) as on_progress:
        return run_notebooks(settings, selection, on_progress=on_progress, **request)


def show_results(results: "Sequence[RunResult]", *, archive: str, as_json: bool) -> None:
    """Each failure with its page, then a count, or all of it as JSON. Exit code 1 where one did not succeed."""
    if as_json:
        show_json([_as_json(result) for result in results])
    else:
        _conclude(results, archive)
    if any(result.status != "succeeded" for result in results):
        raise typer.Exit(1)


def _as_json(result: "RunResult") -> dict[str, Any]:
    receipt = result.receipt
    return {
        "table": result.table,
        "interval": result.interval,
        "status": result.status,
        "reason": result.reason,
        "run_id": receipt.run_id if receipt else None,
        "attempt": receipt.attempt if receipt else None,
        "rows": receipt.rows.model_dump() if receipt else None,
        "seconds": receipt.seconds if receipt else None,
        "error": result.error.model_dump() if result.error else None,
        "page": str(result.archived.page) if result.archived else None,
    }


def _conclude(results: "Sequence[RunResult]", archive: str) -> None:
    for result in results:
        if error := result.error:
            place = f" in cell {error.cell}" if error.cell else ""
            console.print(f"\n{result.table}{place}: {error.kind}: {error.message}", markup=False)
            console.print(f"Page: {result.archived.page}" if result.archived else "", markup=False, soft_wrap=True)
    succeeded = sum(result.status == "succeeded" for result in results)
    console.print(
        f"\n{succeeded} of {len(results)} notebooks succeeded. Archive: {archive}", markup=False, soft_wrap=True
    )
