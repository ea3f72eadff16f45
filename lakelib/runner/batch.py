"""Running notebooks: selected, ordered, checked, then executed side by side where the order allows."""

import json
import os
import secrets
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from graphlib import TopologicalSorter
from importlib import import_module
from itertools import chain, count
from pathlib import Path
from threading import Event, Lock, current_thread, main_thread
from typing import Any, Final

import nbformat
from nbformat import NotebookNode

from lakelib.contracts import load_contract
from lakelib.errors import ContractNotFoundError, RunCancelledError, RunError
from lakelib.intervals import Interval
from lakelib.runner.abandonment import open_store
from lakelib.runner.alerting import announce
from lakelib.runner.facts import Notebook, find_notebooks
from lakelib.runner.health import look
from lakelib.runner.kernel import KERNEL, Execution, check_kernel, sockets_folder
from lakelib.runner.leases import leased
from lakelib.runner.order import select, upstream_graph, waits_for
from lakelib.runner.parameters import Request, resolve
from lakelib.runner.process import Process
from lakelib.runner.progress import Progress, StartedCell
from lakelib.runner.provenance import airflow_task, code_sha256, contract_sha256, git_state, lock_sha256, versions
from lakelib.runner.receipt import Asked, Receipt
from lakelib.runner.recording import Recording
from lakelib.runner.results import RunResult
from lakelib.runner.resuming import done_before
from lakelib.runner.store import HEARTBEAT_SECONDS, RunStore
from lakelib.settings import Settings

__all__ = ["run_notebooks"]

_TICK: Final = timedelta(milliseconds=1)  # what times in receipts are rounded to


def run_notebooks(
    settings: Settings,
    selection: Sequence[str] = (),
    *,
    interval: Interval | None = None,
    parameters: Mapping[str, str] | None = None,
    with_upstream: bool = False,
    retries: int = 0,
    resume_since: datetime | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[RunResult]:
    """Executes the notebooks that `selection` names (tables or layers; none means all), in order, archiving each.

    A notebook that fails does not stop the others; those that wait for it are skipped, except when it only refused
    deliveries and loaded the rest. SIGTERM and Ctrl-C stop what runs and skip what does not run yet; everything is
    archived with its status before this returns.

    Only one runner at a time works on a table's interval; others wait, and take over what it did. A failure that is
    transient is tried again, so many `retries`, after a pause that doubles. With `resume_since`, work is left out that
    was done after that time (`EVER` is at any time): the same code over the same input, as its receipt tells.

    Returns:
        one result a selected notebook, in the order they ended.

    Raises:
        UsageError: notebooks, names or parameters are wrong; nothing was started.
    """
    asked_at = datetime.now(UTC)
    notebooks = find_notebooks(settings.project)
    graph = upstream_graph(notebooks)
    selected = select(notebooks, selection, graph=graph, with_upstream=with_upstream)
    _check_contracts(selected, settings)
    requests = resolve(selected, interval=interval, given=parameters or {})
    check_kernel(KERNEL)
    with open_store(settings) as store, sockets_folder() as sockets:
        batch = _Batch(
            settings=settings,
            store=store,
            sockets=Path(sockets),
            asked=_asked(selection, interval, parameters or {}, with_upstream=with_upstream),
            total=len(requests),
            retries=retries,
            takes_over_since=min(asked_at, resume_since or asked_at),
            on_progress=on_progress or _silent,
        )
        with _stopped_by_signals(batch.cancel):
            results = batch.run({str(each.notebook.table): each for each in requests}, waits_for(selected, graph))
        if settings.alerts:
            announce(look(settings, store), settings=settings, store=store)
    return results


@dataclass
class _Batch:
    """The runs of one call: what runs at the moment, and whether somebody asked to stop.

    What another runner finished after `takes_over_since` is not done again.
    """

    settings: Settings
    store: RunStore
    sockets: Path
    asked: Asked
    total: int
    retries: int
    takes_over_since: datetime
    on_progress: Callable[[Progress], None]
    results: dict[str, RunResult] = field(default_factory=dict)
    running: dict[str, Execution] = field(default_factory=dict)
    cancelled: RunCancelledError | None = None
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._stopping = Event()
        self.process = Process.own()
        self.line_id = secrets.token_hex(8)
        self.git = git_state(self.settings.project)
        self.lock_sha256 = lock_sha256(self.settings.project)
        self.versions = versions(self.settings.engine)

    def run(self, requests: Mapping[str, Request], waits: Mapping[str, frozenset[str]]) -> list[RunResult]:
        sorter, waiting = TopologicalSorter(waits), Counter(chain.from_iterable(waits.values()))
        sorter.prepare()
        self.store.begin_line(self.line_id, self.asked, runner=self.process)
        # As many notebooks again may be busy with what nobody waits for.
        with ThreadPoolExecutor(2 * self.settings.parallel, thread_name_prefix="lake") as pool:
            # What makes pages takes its time to load: so long the first notebooks compute.
            pool.submit(import_module, "lakelib.runner.page")
            ready: list[str] = []
            ends: dict[Future[RunResult], str] = {}
            served: list[Future[None]] = []
            try:
                while sorter.is_active():
                    # First what most others wait for.
                    ready = sorted([*ready, *sorter.get_ready()], key=lambda table: -waiting[table])
                    while ready and len(ends) < self.settings.parallel:
                        table, end = ready.pop(0), Future[RunResult]()
                        ends[end] = table
                        served.append(pool.submit(self._serve, requests[table], waits[table], end=end))
                        served[-1].add_done_callback(partial(_pass_failure_on, end))
                    for end in wait(ends, HEARTBEAT_SECONDS, FIRST_COMPLETED).done:
                        self._record(end.result())
                        sorter.done(ends.pop(end))
                    alive = [each.run_id for each in list(self.running.values()) if not each.is_overdue]
                    self.store.alive(alive, line_id=self.line_id)
                for each in served:
                    each.result()
            except BaseException:
                self.cancel("The runner failed")
                raise
        if self.cancelled is None:
            self.store.end_line(self.line_id, self.asked)
        return list(self.results.values())

    def cancel(self, who: str) -> None:
        self.cancelled = RunCancelledError(f"{who} asked to stop.", hint="Run it again; nothing was published half.")
        self._stopping.set()
        for execution in list(self.running.values()):
            execution.stop(self.cancelled)

    def _record(self, result: RunResult) -> None:
        self.results[result.table] = result
        self._tell(result)

    def _tell(self, finished: RunResult | None = None, *, cell: StartedCell | None = None) -> None:
        with self._lock:
            self.on_progress(Progress(list(self.running), len(self.results), self.total, finished, cell))

    def _tell_cell(self, table: str, number: int, last: int) -> None:
        self._tell(cell=StartedCell(table, number, last))

    def _serve(self, request: Request, upstream: frozenset[str], *, end: "Future[RunResult]") -> None:
        """Gives `end` the result as soon as those that wait for this notebook can start, then does what is left."""
        ended = self._ended(request, upstream)
        end.set_result(ended.result if isinstance(ended, Recording) else ended)
        if isinstance(ended, Recording):
            self._wind_up(ended)

    def _ended(self, request: Request, upstream: frozenset[str]) -> "Recording | RunResult":
        """What became of the request: a run of it, or the result without one."""
        if reason := self._reason_to_skip(upstream):
            return _skipped(request, reason)
        table, interval = str(request.notebook.table), str(request.interval or "undated")
        try:
            with leased(table, interval, settings=self.settings, is_stopped=self._stopping.is_set):
                done = done_before(request, settings=self.settings, store=self.store, since=self.takes_over_since)
                return done or self._tried(request)
        except RunCancelledError:
            return _skipped(request, self._reason_to_skip(upstream))

    def _tried(self, request: Request) -> Recording:
        """The run, or the last of those that were made because the one before failed for a transient reason."""
        for attempt in count(1):
            recording = self._run(request, attempt)
            if attempt > self.retries or not recording.result.is_transient:
                break
            pause = self.settings.retry_seconds * 2 ** (attempt - 1)
            self._tell(replace(recording.result, reason=f"is tried again in {pause:g} s"))
            if self._stopping.wait(pause):
                break
            self._wind_up(recording)
        return recording

    def _wind_up(self, recording: Recording) -> None:
        recording.finish()
        self.store.record(recording.receipt)

    def _reason_to_skip(self, upstream: frozenset[str]) -> str:
        if self.cancelled is not None:
            return "the runner was asked to stop"
        failed = [table for table in sorted(upstream) if self.results[table].stops_dependants]
        return f"{', '.join(failed)} did not succeed" if failed else ""

    def _run(self, request: Request, attempt: int) -> Recording:
        run = Recording(self._receipt(request, attempt), request, self.settings)
        self.store.record(run.receipt)
        run.begin()
        try:
            self._execute(request, run)
        except RunError as error:
            run.conclude(error)
        except Exception as error:
            try:
                run.conclude(error)
            finally:
                self._wind_up(run)
            raise
        else:
            run.conclude(None)
        return run

    def _execute(self, request: Request, run: Recording) -> None:
        run_id, table = run.receipt.run_id, run.receipt.table
        run.execution = self.running[table] = Execution(
            run_id=run_id,
            notebook=_executable(request.notebook),
            parameters=request.given,
            env=self._environment(request, run_id),
            folder=request.notebook.path.parent,
            sockets=self.sockets,
            cell_seconds=self.settings.cell_timeout_seconds,
            notebook_seconds=self.settings.notebook_timeout_seconds,
            save=run.save,
            on_cell=partial(self._tell_cell, table),
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
            "LAKE_LAKE": self.settings.lake,
            "LAKE_LANDING": self.settings.landing,
            "LAKE_RUN": json.dumps(run),
        }

    def _start(self, request: Request) -> datetime:
        """This moment; later than the run before it, also where the clock was set back since: the newest run counts."""
        before = self.store.newest_of(str(request.notebook.table), request.interval)
        after = datetime.fromisoformat(before["started_at"]) + _TICK if before else datetime.now(UTC)
        return max(datetime.now(UTC), after)

    def _receipt(self, request: Request, attempt: int) -> Receipt:
        notebook, interval, started = request.notebook, request.interval, self._start(request)
        return Receipt(
            run_id=f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
            table=str(notebook.table),
            title=notebook.title,
            start_date=str(interval.start) if interval else None,
            end_date=str(interval.end) if interval else None,
            parameters=request.values,
            notebook=str(notebook.path.relative_to(self.settings.project)),
            code_sha256=code_sha256(cell.source for cell in notebook.code),
            modules=notebook.modules,
            contract_sha256=contract_sha256(self.settings.project, notebook.table),
            git=self.git,
            lock_sha256=self.lock_sha256,
            engine=self.settings.engine,
            versions=self.versions,
            sources=list(notebook.sources),
            runner=self.process,
            asked=self.asked,
            airflow=airflow_task() if self.total == 1 else {},
            attempt=attempt,
            started_at=started.isoformat(timespec="milliseconds"),
        )


def _asked(
    selection: Sequence[str], interval: Interval | None, parameters: Mapping[str, str], *, with_upstream: bool
) -> Asked:
    return Asked(
        selection=list(selection),
        start_date=str(interval.start) if interval else None,
        end_date=str(interval.end) if interval else None,
        parameters=dict(parameters),
        with_upstream=with_upstream,
    )


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


def _executable(notebook: Notebook) -> NotebookNode:
    """Each code cell has outputs, which one that was written by hand may lack."""
    read: NotebookNode = nbformat.reads(notebook.text, as_version=4)
    for cell in read.cells:
        if cell.cell_type == "code":
            cell.setdefault("outputs", [])
    return read
