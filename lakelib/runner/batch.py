"""Running notebooks: selected, ordered, checked, then executed side by side where the order allows."""

import ast
import json
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from threading import Lock, Semaphore, current_thread, main_thread
from typing import Any, Final

import nbformat
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from lakelib.contracts import load_contract
from lakelib.errors import (
    CellError,
    ContractNotFoundError,
    DeliveryRefusedError,
    KernelDiedError,
    RunCancelledError,
    RunError,
    RunTimeoutError,
)
from lakelib.intervals import Interval
from lakelib.runner.abandonment import open_store
from lakelib.runner.archive import Archived, place
from lakelib.runner.facts import Notebook, find_notebooks
from lakelib.runner.kernel import KERNEL, Execution, check_kernel, sockets_folder
from lakelib.runner.order import select, upstream_graph, waits_for
from lakelib.runner.parameters import Request, resolve
from lakelib.runner.process import Process
from lakelib.runner.provenance import code_sha256, git_state, lock_sha256, versions
from lakelib.runner.receipt import Failure, Receipt, Status, finish
from lakelib.runner.scraps import published_events
from lakelib.runner.secrets import Scrubber, references
from lakelib.runner.store import RunStore
from lakelib.settings import Settings

__all__ = ["Progress", "RunResult", "run_notebooks"]

HEARTBEAT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class RunResult:
    """How one selected notebook ended. A skipped one has a reason instead of a receipt and an archive."""

    table: str
    interval: str
    status: Status
    receipt: Receipt | None = None
    archived: Archived | None = None
    reason: str = ""

    @property
    def stops_dependants(self) -> bool:
        """Whether what waits for this notebook must be skipped.

        A load that ended because some deliveries were refused has published all the others: the rest of the line goes
        on with these.
        """
        error = self.receipt.error if self.receipt else None
        is_refusal = error is not None and error.kind == DeliveryRefusedError.__name__
        return self.status in ("failed", "cancelled") and not is_refusal

    def raise_for_status(self) -> None:
        """Raises the RunError that the run ended with; nothing for a run that succeeded."""
        if self.status == "succeeded":
            return
        error = self.receipt.error if self.receipt else None
        if error is None:
            raise RunCancelledError(f"{self.table} was skipped: {self.reason}.")
        for kind in (KernelDiedError, RunTimeoutError, RunCancelledError):
            if error.kind == kind.__name__:
                raise kind(error.message)
        raise CellError(f"{error.kind}: {error.message}", cell=error.cell or 0)


@dataclass(frozen=True)
class Progress:
    """Told when a notebook starts, and with its result when it ends."""

    running: Sequence[str]
    done: int
    total: int
    finished: RunResult | None = None


def run_notebooks(
    settings: Settings,
    selection: Sequence[str] = (),
    *,
    interval: Interval | None = None,
    parameters: Mapping[str, str] | None = None,
    with_upstream: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[RunResult]:
    """Executes the notebooks that `selection` names (tables or layers; none means all), in order, archiving each.

    A notebook that fails does not stop the others; those that wait for it are skipped, except when it only refused
    deliveries and loaded the rest. SIGTERM and Ctrl-C stop what
    runs and skip what does not run yet; everything is archived with its status before this returns.

    Returns:
        one result a selected notebook, in the order they ended.

    Raises:
        UsageError: notebooks, names or parameters are wrong; nothing was started.
    """
    notebooks = find_notebooks(settings.project)
    selected = select(notebooks, selection, with_upstream=with_upstream)
    _check_contracts(selected, settings)
    requests = resolve(selected, interval=interval, given=parameters or {})
    check_kernel(KERNEL)
    waits = waits_for(selected, upstream_graph(notebooks))
    with open_store(settings) as store, sockets_folder() as sockets:
        batch = _Batch(settings, store, Path(sockets), len(requests), on_progress or _silent)
        with _stopped_by_signals(batch.cancel):
            return batch.run({str(request.notebook.table): request for request in requests}, waits)


@dataclass
class _Batch:
    """The runs of one call: what runs at the moment, and whether somebody asked to stop."""

    settings: Settings
    store: RunStore
    sockets: Path
    total: int
    on_progress: Callable[[Progress], None]
    results: dict[str, RunResult] = field(default_factory=dict)
    running: dict[str, Execution] = field(default_factory=dict)
    cancelled: RunCancelledError | None = None
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._slots = Semaphore(self.settings.parallel)
        self.process = Process.own()
        self.git = git_state(self.settings.project)
        self.lock_sha256 = lock_sha256(self.settings.project)
        self.versions = versions(self.settings.engine)

    def run(self, requests: Mapping[str, Request], waits: Mapping[str, frozenset[str]]) -> list[RunResult]:
        sorter = TopologicalSorter(waits)
        sorter.prepare()
        # As many notebooks again may be busy with what nobody waits for.
        with ThreadPoolExecutor(2 * self.settings.parallel, thread_name_prefix="lake") as pool:
            ends: dict[Future[RunResult], str] = {}
            served: list[Future[None]] = []
            try:
                while sorter.is_active():
                    for table in sorter.get_ready():
                        end: Future[RunResult] = Future()
                        ends[end] = table
                        served.append(pool.submit(self._serve, requests[table], waits[table], end=end))
                        served[-1].add_done_callback(partial(_pass_failure_on, end))
                    for end in wait(ends, HEARTBEAT_SECONDS, FIRST_COMPLETED).done:
                        self._record(end.result())
                        sorter.done(ends.pop(end))
                    self.store.alive([execution.run_id for execution in list(self.running.values())])
                for each in served:
                    each.result()
            except BaseException:
                self.cancel("The runner failed")
                raise
        return list(self.results.values())

    def cancel(self, who: str) -> None:
        self.cancelled = RunCancelledError(f"{who} asked to stop.", hint="Run it again; nothing was published half.")
        for execution in list(self.running.values()):
            execution.stop(self.cancelled)

    def _record(self, result: RunResult) -> None:
        self.results[result.table] = result
        self._tell(result)

    def _tell(self, finished: RunResult | None = None) -> None:
        with self._lock:
            self.on_progress(Progress(list(self.running), len(self.results), self.total, finished))

    def _serve(self, request: Request, upstream: frozenset[str], *, end: "Future[RunResult]") -> None:
        """Gives `end` the result as soon as those that wait for this notebook can start, then does what is left."""
        with self._slots:
            reason = self._reason_to_skip(upstream)
            run = None if reason else self._run(request)
            end.set_result(_skipped(request, reason) if run is None else run.result)
        if run is not None:
            run.finish()
            self.store.finish(run.receipt)

    def _reason_to_skip(self, upstream: frozenset[str]) -> str:
        if self.cancelled is not None:
            return "the runner was asked to stop"
        failed = [table for table in sorted(upstream) if self.results[table].stops_dependants]
        return f"{', '.join(failed)} did not succeed" if failed else ""

    def _run(self, request: Request) -> "_Run":
        run = _Run(self._receipt(request), self.settings, Scrubber(_references(request, self.settings)))
        self.store.start(run.receipt)
        run.begin()
        try:
            self._execute(request, run)
        except RunError as error:
            run.conclude(error)
        except Exception as error:
            run.conclude(error)
            run.finish()
            self.store.finish(run.receipt)
            raise
        else:
            run.conclude(None)
        return run

    def _execute(self, request: Request, run: "_Run") -> None:
        run_id, table = run.receipt.run_id, run.receipt.table
        run.execution = self.running[table] = Execution(
            run_id=run_id,
            notebook=nbformat.reads(request.notebook.text, as_version=4),
            parameters=request.given,
            env=self._environment(request, run_id),
            folder=request.notebook.path.parent,
            sockets=self.sockets,
            cell_seconds=self.settings.cell_timeout_seconds,
            notebook_seconds=self.settings.notebook_timeout_seconds,
            save=run.save,
        )
        try:
            self._tell()
            if self.cancelled is not None:
                raise self.cancelled
            run.execution.run()
        finally:
            del self.running[table]

    def _environment(self, request: Request, run_id: str) -> dict[str, str]:
        notebook = request.notebook
        run = {"run_id": run_id, "target": str(notebook.table), "reads": list(notebook.reads)}
        return {
            **os.environ,
            "LAKE_PROJECT": str(self.settings.project),
            "LAKE_ENV": self.settings.env,
            "LAKE_ENGINE": self.settings.engine,
            "LAKE_RUN": json.dumps(run),
        }

    def _receipt(self, request: Request) -> Receipt:
        notebook, interval, started = request.notebook, request.interval, datetime.now(UTC)
        return Receipt(
            run_id=f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
            table=str(notebook.table),
            title=notebook.title,
            start_date=str(interval.start) if interval else None,
            end_date=str(interval.end) if interval else None,
            parameters=request.values,
            notebook=str(notebook.path.relative_to(self.settings.project)),
            code_sha256=code_sha256(notebook),
            git=self.git,
            lock_sha256=self.lock_sha256,
            engine=self.settings.engine,
            versions=self.versions,
            sources=list(notebook.sources),
            runner=self.process,
            started_at=started.isoformat(timespec="milliseconds"),
        )


class _Run:
    """One notebook's archive while it is being written: the newest state of the notebook, and what to scrub."""

    def __init__(self, receipt: Receipt, settings: Settings, scrubber: Scrubber) -> None:
        self.receipt = receipt
        self.archived = place(settings.archive, receipt.table, interval=receipt.interval, run_id=receipt.run_id)
        self._scrubber = scrubber
        self._notebook = nbformat.v4.new_notebook()
        self.execution: Execution | None = None

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
        ended = finish(begun, self._notebook, status=_status(error), error=_failure(error))
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


def _check_contracts(notebooks: Sequence[Notebook], settings: Settings) -> None:
    """Raises ContractError for one that can't be held; one that is missing fails the notebook that asks for it."""
    contracts = settings.project / "contracts"
    for notebook in notebooks:
        with suppress(ContractNotFoundError):
            load_contract(notebook.table, contracts)


def _pass_failure_on(end: "Future[RunResult]", served: "Future[None]") -> None:
    error = served.exception()
    if error is not None and not end.done():
        end.set_exception(error)


def _skipped(request: Request, reason: str) -> RunResult:
    return RunResult(str(request.notebook.table), str(request.interval or "undated"), "skipped", reason=reason)


def _silent(_: Progress) -> None:
    return


def _references(request: Request, settings: Settings) -> Iterator[str]:
    """Secret references in settings, parameters and the literals of the code."""
    yield from references(settings.model_dump(mode="json"))
    yield from references(request.values)
    for cell in request.notebook.code:
        constants = (node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant))
        yield from (found for constant in constants for found in references(constant))


def _status(error: Exception | None) -> Status:
    if error is None:
        return "succeeded"
    return "cancelled" if isinstance(error, RunCancelledError) else "failed"


def _failure(error: Exception | None) -> Failure | None:
    if error is None:
        return None
    cause = error.__cause__
    if isinstance(error, CellError) and isinstance(cause, CellExecutionError):
        return Failure(kind=cause.ename, message=cause.evalue, cell=error.cell)
    return Failure(kind=type(error).__name__, message=str(error))


@contextmanager
def _stopped_by_signals(cancel: Callable[[str], None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C call `cancel`; outside the main thread, signals are somebody else's."""
    if current_thread() is not main_thread():
        yield
        return

    def handle(signum: int, _: Any) -> None:
        cancel(signal.Signals(signum).name)

    before = {signum: signal.signal(signum, handle) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
