"""One notebook's execution on the kernel `lake`: driven by papermill, stopped from outside at any time."""

import asyncio
import logging
import math
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from threading import Lock, Timer
from typing import Any, Final

import psutil
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_path
from jupyter_core.utils import ensure_event_loop, run_sync
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import output_from_msg

from lakelib.errors import (
    CellError,
    RunError,
    SettingsError,
)
from lakelib.runner.bookkeeping import Bookkeeping
from lakelib.runner.endings import death, not_started, too_long
from lakelib.runner.lean_papermill import Engine, PapermillNotebookClient, papermill, papermill_engines
from lakelib.runner.scraps import is_scrap
from lakelib.runner.streams import coalesced

__all__ = ["KERNEL", "Execution", "check_kernel", "sockets_folder"]

KERNEL: Final = "lake"
GRACE_SECONDS: Final = 2.0
OVERDUE_SECONDS: Final = 60.0
# Unix socket paths are limited to 107 bytes.
LONGEST_TEMPORARY: Final = 60

_log = logging.getLogger("lakelib.runner")
_log.addHandler(logging.NullHandler())
logging.getLogger("papermill").addHandler(logging.NullHandler())


def check_kernel(name: str) -> None:
    """Raises SettingsError when this environment has no kernel of that name, or Jupyter finds no home to look in."""
    try:
        _kernelspecs().get_kernel_spec(name)
    except RuntimeError as error:
        raise SettingsError(f"Jupyter's kernels were looked for: {error}", hint="Set HOME.") from error
    except NoSuchKernel as error:
        raise SettingsError(
            f"The Jupyter kernel {name!r} was asked for; this environment has none of that name.",
            hint=f"Install lakelib again in this environment: its package brings share/jupyter/kernels/{KERNEL}.",
        ) from error


def _kernelspecs() -> KernelSpecManager:
    """Where Jupyter looks, but for `~/.ipython`: to know that folder, jupyter_client imports all of IPython."""
    return KernelSpecManager(kernel_dirs=jupyter_path("kernels"))


def sockets_folder() -> "tempfile.TemporaryDirectory[str]":
    """A private folder for kernels' sockets and logs, its path short enough for sockets.

    Those that killed runners of this user left behind are removed.
    """
    usual = tempfile.gettempdir()
    place = Path(usual if len(usual) <= LONGEST_TEMPORARY else "/tmp")
    for left in place.glob("lake-kernels-*-*"):
        with suppress(FileNotFoundError):  # another runner may clean at the same moment
            if left.stat().st_uid == os.getuid() and not psutil.pid_exists(int(left.name.split("-")[2])):
                shutil.rmtree(left)
    return tempfile.TemporaryDirectory(prefix=f"lake-kernels-{os.getpid()}-", dir=place)


@dataclass
class Execution:
    """A notebook while it is executed, for one use.

    `save` gets the notebook at each step and at the end, whatever the end is. `on_cell` gets the number of each code
    cell that starts, and the number of the last one. `stopped` is why it was stopped, `kernel_seconds` how long the
    kernel took to be ready.
    """

    run_id: str
    notebook: NotebookNode
    parameters: Mapping[str, Any]
    env: Mapping[str, str]
    folder: Path
    sockets: Path
    cell_seconds: float
    notebook_seconds: float
    save: Callable[[NotebookNode], None]
    on_cell: Callable[[int, int], None]
    stopped: RunError | None = None
    kernel_seconds: float | None = None
    _kernel: AsyncKernelManager | None = None
    _client: "_Client | None" = None
    _lock: Lock = field(default_factory=Lock)
    _asked_at: float = 0.0

    def run(self) -> None:
        """Executes to the end of the notebook; `end` has to follow, in the same thread.

        Raises:
            CellError: a cell raised.
            KernelDiedError: the kernel could not start or ended by itself.
            RunTimeoutError: a cell or the notebook took too long.
            RunError: the reason that `stop` was given.
        """
        self._asked_at = time.monotonic()
        limit = _after(self.notebook_seconds, self.stop, too_long("The notebook", self.notebook_seconds))
        try:
            papermill.execute_notebook(
                self.notebook,
                None,
                parameters=dict(self.parameters),
                engine_name=KERNEL,
                kernel_name=KERNEL,
                language="python",
                progress_bar=False,
                execution=self,
            )
        except (RunError, RuntimeError, CellTimeoutError) as error:
            if self.stopped is not None:
                raise self.stopped from error
            if isinstance(error, RunError) and self.kernel_seconds is not None:
                raise
            raise not_started(error, self.log_tail()) from error
        finally:
            limit.cancel()

    def ask_to_end(self) -> None:
        """Tells the kernel to shut down and does not wait for it."""
        if self._client is not None:
            self._client.ask_to_end()

    def end(self) -> None:
        """Shuts the kernel down, whatever became of it. Nobody has to wait for that to use what the notebook wrote."""
        try:
            if self._client is not None:
                self._client.end()
        finally:
            # The loop that jupyter_client made for this thread; it would leak its sockets with the thread's end.
            ensure_event_loop().close()

    def stop(self, reason: RunError) -> None:
        """Interrupts the running cell, so that the executed copy shows where it was, then kills the kernel.

        Returns at once; `run` raises `reason` soon after. The first reason counts.
        """
        with self._lock:
            if self.stopped is not None:
                return
            self.stopped = reason
        _after(0, self._signal, signal.SIGINT)
        _after(GRACE_SECONDS, self._signal, signal.SIGKILL)

    @property
    def is_overdue(self) -> bool:
        """Whether it goes on though it was stopped for taking too long: stuck beyond what a signal ends."""
        return time.monotonic() - self._asked_at > self.notebook_seconds + OVERDUE_SECONDS

    @property
    def log(self) -> Path:
        """What the kernel's process writes past Jupyter: engine noise, native crashes."""
        return self.sockets / f"{self.run_id}.log"

    def log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-5:])

    def started(self, client: "_Client", kernel: AsyncKernelManager) -> None:
        self._client, self._kernel = client, kernel

    def ready(self) -> None:
        self.kernel_seconds = round(time.monotonic() - self._asked_at, 3)

    def _signal(self, signum: int) -> None:
        if self._kernel is not None and self._kernel.provisioner is not None:
            asyncio.run(self._kernel.provisioner.send_signal(signum))


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """Raises at the first cell that does not end well, with the cell's number and the kernel's fate."""

    def __init__(self, record: Bookkeeping, execution: Execution) -> None:
        # What a person has IPython do at its start is no part of a run, which is the same whoever runs it.
        ipython = execution.sockets / "ipython"
        ipython.mkdir(exist_ok=True)
        super().__init__(
            record,
            kernel_name=KERNEL,
            log=_log,
            timeout=None,
            iopub_timeout=60,
            extra_arguments=[f"--IPKernelApp.ipython_dir={ipython}"],
            on_cell_execute=self._start_clock,
            on_cell_executed=self._stop_clock,
        )
        self.execution = execution
        self.clear_before_next_output = False
        self._clock: Timer | None = None

    def create_kernel_manager(self) -> AsyncKernelManager:
        # Sockets in a private folder need no port and no encryption, and another user can't reach them.
        self.km = AsyncKernelManager(
            kernel_name=KERNEL,
            kernel_spec_manager=_kernelspecs(),
            transport="ipc",
            connection_file=str(self.execution.sockets / f"{self.execution.run_id}.json"),
            client_factory=_Channels,
        )
        self.execution.started(self, self.km)
        return self.km

    def ask_to_end(self) -> None:
        # nbclient's cleanup leaves None.
        if getattr(self.km, "has_kernel", False):
            run_sync(self.km.request_shutdown)()

    def end(self) -> None:
        if self.km is not None:
            self._cleanup_kernel()

    def execute(self, **kwargs: Any) -> None:
        try:
            super().execute(**kwargs)
        except DeadKernelError:
            # Papermill asks for the kernel's language when all cells have ended: how it ends then does not matter.
            if self.execution.kernel_seconds is None or self.execution.stopped is not None:
                raise

    def papermill_execute_cells(self) -> None:
        self.execution.ready()
        for index, cell in enumerate(self.nb.cells):
            if self.execution.stopped is not None:
                raise self.execution.stopped
            if cell.cell_type == "code":
                self._execute_code(cell, index)
            else:
                cell.metadata.papermill["status"] = self.nb_man.COMPLETED

    def process_message(self, *args: Any, **kwargs: Any) -> NotebookNode | None:
        output: NotebookNode | None = super().process_message(*args, **kwargs)
        if output is not None and is_scrap(output):
            self.nb_man.save_soon()
        return output

    def output(self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str, cell_index: int) -> Any:
        """Scraps are the run's record: no widget takes them in, and no `clear_output` takes them away."""
        if is_scrap(msg["content"]):
            outs.append(output_from_msg(msg))
            return outs[-1]
        if self.clear_before_next_output and not self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            self.clear_before_next_output = False
            self.clear_output(outs, msg | {"content": {}}, cell_index)
        return super().output(outs, msg, display_id, cell_index)

    def clear_output(self, outs: list[NotebookNode], msg: dict[str, Any], cell_index: int) -> None:
        scraps = [output for output in outs if is_scrap(output)]
        super().clear_output(outs, msg, cell_index)
        if not outs:
            outs.extend(scraps)

    def _execute_code(self, cell: NotebookNode, index: int) -> None:
        self.nb_man.cell_start(cell, index)
        self.execution.on_cell(self._number(index), self._number(len(self.nb.cells)))
        try:
            try:
                self.execute_cell(cell, index)
            finally:
                cell.outputs = coalesced(cell.outputs)
        except Exception as error:
            self.nb_man.cell_exception(cell, cell_index=index)
            raise self._named(error, self._number(index)) from error
        finally:
            self._stop_clock()
            self.nb_man.cell_complete(cell, cell_index=index)

    def _named(self, error: Exception, cell: int) -> Exception:
        match error:
            case CellExecutionError():
                return CellError(f"{error.ename}: {error.evalue}", cell=cell)
            case DeadKernelError():
                return death(self._status(), cell=cell, log=self.execution.log_tail())
        return error

    def _status(self) -> int | None:
        status: int | None = asyncio.run(self.km.provisioner.poll()) if self.km.provisioner else None
        return status

    def _number(self, index: int) -> int:
        """Counted as in the source notebook, which lacks papermill's cell of parameters."""
        before = self.nb.cells[: index + 1]
        return sum("injected-parameters" not in cell.metadata.get("tags", []) for cell in before)

    def _start_clock(self, cell: NotebookNode, cell_index: int) -> None:
        seconds = self.execution.cell_seconds
        reason = too_long(f"Cell {self._number(cell_index)}", seconds)
        self._clock = _after(seconds, self.execution.stop, reason)

    def _stop_clock(self, **_: Any) -> None:
        if self._clock is not None:
            self._clock.cancel()


class _Channels(AsyncKernelClient):
    """Ready as soon as the kernel has answered on both channels; jupyter_client's own waits for 0.2 s of silence."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while time.monotonic() < deadline:
            request = self.kernel_info()
            if await _is_answered(self.shell_channel, request) and await _is_answered(self.iopub_channel, request):
                return
            if not await self._async_is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
        raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")


async def _is_answered(channel: Any, request: str) -> bool:
    """Whether the kernel says on this channel that it has dealt with the request; False after silence."""
    with suppress(Empty):
        while True:
            message = await channel.get_msg(timeout=1)
            is_last = message["msg_type"] == "kernel_info_reply" or message["content"].get("execution_state") == "idle"
            if is_last and message["parent_header"].get("msg_id") == request:
                return True
    return False


class _LakeEngine(Engine):  # type: ignore[misc]
    """Papermill's door to `Execution`: the kernel can be stopped, and what is saved is scrubbed and whole."""

    @classmethod
    def execute_notebook(cls, nb: NotebookNode, kernel_name: str, **options: Any) -> NotebookNode:
        execution: Execution = options["execution"]
        # Papermill takes a notebook for its own path and would archive it a second time.
        nb.metadata.papermill["input_path"] = nb.metadata.papermill["output_path"] = None
        record = Bookkeeping(nb, execution.save)
        record.notebook_start()
        try:
            with execution.log.open("wb") as log:
                _Client(record, execution).execute(
                    env=dict(execution.env), cwd=str(execution.folder), stdout=log, stderr=log, cleanup_kc=False
                )
        finally:
            record.notebook_complete()
        return nb


papermill_engines.register(KERNEL, _LakeEngine)


def _after(seconds: float, action: Callable[..., None], *args: Any) -> Timer:
    timer = Timer(seconds, action, args)
    timer.daemon = True
    timer.start()
    return timer
