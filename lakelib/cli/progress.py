"""Progress of `lake run`: one line a notebook that ended, and on a terminal a live line of what runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from lakelib.cli.display import console, errors
from lakelib.runner.progress import Progress
from lakelib.runner.results import RunResult

__all__ = ["shown_progress"]


@contextmanager
def shown_progress(*, is_quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Lines go to standard error when standard output is for a program (`is_quiet`)."""
    shown_on = errors if is_quiet else console
    if not (shown_on.is_terminal and sys.stdout.isatty()):
        yield lambda progress: _show_finished(progress, shown_on)
        return
    with shown_on.status("starting", refresh_per_second=4) as live:

        def show(progress: Progress) -> None:
            _show_finished(progress, shown_on)
            live.update(f"{progress.done} of {progress.total} done, running {', '.join(progress.running) or 'nothing'}")

        yield show


def _show_finished(progress: Progress, shown_on: Console) -> None:
    if progress.finished is not None:
        shown_on.print(_line(progress.finished), markup=False, soft_wrap=True)


def _line(result: RunResult) -> str:
    start = f"{result.table:<28} {result.interval:<22}"
    receipt = result.receipt
    if receipt is None:
        return f"{start} {result.status}: {result.reason}"
    rows, remark = receipt.rows, f", but {receipt.remark}" if receipt.remark else ""
    if result.reason:
        remark = f", {result.reason}"
    counts = f"in {rows.staged:>9,}  published {rows.published:>9,}  quarantined {rows.quarantined:>7,}"
    return f"{start} {counts}  {receipt.seconds or 0:>6.1f} s  {result.status}{remark}"
