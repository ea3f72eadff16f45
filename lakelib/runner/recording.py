"""What a run leaves while it is executed: the newest state of its notebook, its receipt, its page."""

import time
from collections.abc import Iterator
from typing import Final

import nbformat
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from lakelib.errors import CellError, RunCancelledError, is_transient
from lakelib.runner.archive import place
from lakelib.runner.kernel import Execution
from lakelib.runner.parameters import Request
from lakelib.runner.receipt import Failure, Receipt, Status, finish
from lakelib.runner.results import RunResult
from lakelib.runner.scraps import published_events
from lakelib.runner.secrets import Scrubber, references
from lakelib.settings import Settings

__all__ = ["Recording"]

_LONGEST_MESSAGE: Final = 10_000  # characters, in a terminal, the receipt and the run store


class Recording:
    """One run's archive while it is being written: the newest state of the notebook, and what to scrub."""

    def __init__(self, receipt: Receipt, request: Request, settings: Settings) -> None:
        self.receipt = receipt
        self.archived = place(settings.archive, receipt.table, interval=receipt.interval, run_id=receipt.run_id)
        self._scrubber = Scrubber(_references(request, settings))
        self._notebook = nbformat.v4.new_notebook()
        self.execution: Execution | None = None
        self._began = time.monotonic()

    @property
    def result(self) -> RunResult:
        return RunResult(self.receipt.table, self.receipt.interval, self.receipt.status, self.receipt, self.archived)

    def begin(self) -> None:
        self.archived.save_receipt(self.receipt, self._scrubber)

    def save(self, notebook: NotebookNode) -> None:
        self._notebook = notebook
        self._scrubber.learn(references(published_events(notebook)))
        self.archived.save_notebook(notebook, self.receipt, scrubber=self._scrubber)

    def conclude(self, error: Exception | None) -> None:
        """From here on the run is what its receipt says."""
        kernel_seconds = self.execution.kernel_seconds if self.execution else None
        begun = self.receipt.model_copy(update={"kernel_seconds": kernel_seconds})
        seconds = time.monotonic() - self._began
        ended = finish(begun, self._notebook, status=_status(error), error=_failure(error), seconds=seconds)
        self.receipt = self.archived.conclude(self._notebook, ended, scrubber=self._scrubber)

    def finish(self) -> None:
        """What nobody waits for: the page, and the kernel's end meanwhile."""
        try:
            if self.execution is not None:
                self.execution.ask_to_end()
            self.archived.render_page()
        finally:
            if self.execution is not None:
                self.execution.end()


def _references(request: Request, settings: Settings) -> Iterator[str]:
    """Secret references in settings, parameters and the literals of the code."""
    yield from references(settings.model_dump(mode="json"))
    yield from references(request.values)
    yield from request.notebook.secrets


def _status(error: Exception | None) -> Status:
    if error is None:
        return "succeeded"
    return "cancelled" if isinstance(error, RunCancelledError) else "failed"


def _failure(error: Exception | None) -> Failure | None:
    if error is None:
        return None
    kind, message, cell = type(error).__name__, str(error), None
    cause = error.__cause__
    if isinstance(error, CellError) and isinstance(cause, CellExecutionError):
        kind, message, cell = cause.ename, cause.evalue, error.cell
    message = message.replace("\0", "\\0")  # which PostgreSQL has in no text
    is_passing = is_transient(kind, message)
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}… ({len(message):,} characters; the notebook has them all)"
    return Failure(kind=kind, message=message, cell=cell, is_transient=is_passing)
