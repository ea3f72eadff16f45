"""Going on after a failure: what was done is kept, the rest is run again."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakelib.cli.display import AsJson, errors
from lakelib.cli.running import run_shown, show_results
from lakelib.errors import UsageError

if TYPE_CHECKING:
    from lakelib.runner.receipt import Asked
    from lakelib.settings import Settings

__all__ = ["resume"]


def resume(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="a run id, or how it begins")] = None,
    *,
    failed: Annotated[
        bool, typer.Option("--failed", help="everything whose newest run did not succeed, or was never begun")
    ] = False,
    retries: Annotated[int | None, typer.Option(min=0, help="how often a transient failure is tried again")] = None,
    as_json: AsJson = False,
) -> None:
    """Go on with what a `lake run` was asked for: notebooks that are done are left out, the others run.

    What can't be asked for any more, as when its notebook is gone, is left out of --failed and named.
    """
    if (run_id is None) != failed:
        raise UsageError("Name one run, or say --failed.", hint="`lake runs` lists the runs.")
    from lakelib import kernels
    from lakelib.runner.resuming import EVER
    from lakelib.settings import load_settings

    settings = load_settings()
    results, left_out = [], False
    for asked in _asked(settings, run_id):
        kernels.warm(cwd=settings.project)
        try:
            results += run_shown(
                settings,
                asked.selection,
                is_quiet=as_json,
                interval=asked.interval,
                parameters=asked.parameters,
                with_upstream=asked.with_upstream,
                retries=settings.retries if retries is None else retries,
                resume_since=EVER,
            )
        except UsageError as error:
            if not failed or type(error) is not UsageError:
                raise
            left_out = True
            errors.print(f"Left out: {error}", markup=False)
    if results or as_json:
        show_results(results, archive=str(settings.archive), as_json=as_json)
    elif not left_out:
        typer.echo("Nothing failed that has not succeeded since.")


def _asked(settings: "Settings", run_id: str | None) -> "list[Asked]":
    """What each line was asked for whose run is to be resumed, or whose runner was killed: oldest first, each once."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.archive import archived_run
    from lakelib.runner.receipt import Asked

    with open_store(settings) as store:
        rows = [store.find(run_id)] if run_id else store.unsuccessful()
        lines = [] if run_id else store.unfinished()
    began = [(row["started_at"], archived_run(row, settings.archive).existing_receipt().asked) for row in rows]
    began += [(line["started_at"], Asked.model_validate_json(line["asked"])) for line in lines]
    by_age = sorted(began, key=lambda each: each[0])
    return list({asked.model_dump_json(): asked for _, asked in by_age}.values())
