"""The runner's own process is stopped or killed: a real `lake run`, and the command after it."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from lakelib import events
from lakelib.runner.abandonment import open_store
from lakelib.runner.archive import Archived, place
from lakelib.runner.kernel import sockets_folder
from lakelib.runner.process import Process
from lakelib.runner.store import RunStore
from tests.runner.projects import Project, emitting, until

SLEEP = """
import os, time
with open('../asleep.tmp', 'w') as file: file.write(str(os.getpid()))
os.rename('../asleep.tmp', '../asleep')
time.sleep(60)
"""


@contextmanager
def _asleep(project: Project) -> Iterator["subprocess.Popen[str]"]:
    """A `lake run` whose first notebook sleeps in its third code cell; the second waits for it."""
    project.notebook("bronze.a", emitting(1, events.TableRead("bronze.a", 3)), SLEEP)
    project.notebook("silver.b", reads=["bronze.a"])
    with project.lake_started("run") as runner:
        until((project.folder / "notebooks" / "asleep").exists)
        yield runner
        runner.kill()


def _kernel(project: Project) -> psutil.Process:
    return psutil.Process(int((project.folder / "notebooks" / "asleep").read_text()))


def _newest(project: Project) -> Archived:
    with open_store(project.settings) as store:
        [row] = store.newest(limit=10)
    archived = place(project.settings.archive, "bronze.a", interval="undated", run_id=row["run_id"])
    assert archived.read_receipt().status == row["status"]
    return archived


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_runner_archives_what_ran_and_skips_the_rest(project: Project, signum: signal.Signals) -> None:
    with _asleep(project) as runner:
        kernel = _kernel(project)
        runner.send_signal(signum)
        shown, noise = runner.communicate(timeout=20)
    receipt = _newest(project).read_receipt()
    assert runner.returncode == 1
    assert (receipt.status, receipt.reads, receipt.cells[-1].status) == ("cancelled", {"bronze.a": 3}, "failed")
    assert receipt.error is not None
    assert f"{signum.name} asked to stop" in receipt.error.message
    assert "skipped: the runner was asked to stop" in shown
    assert noise == ""
    assert psutil.wait_procs([kernel], timeout=10)[0] == [kernel]


def test_a_killed_runners_kernel_ends_and_its_run_is_called_killed(project: Project) -> None:
    with _asleep(project) as runner:
        kernel = _kernel(project)
        until(lambda: _newest(project).read_notebook().cells[-1].metadata.papermill.status == "running", seconds=5)
        runner.kill()
        runner.wait()
        assert psutil.wait_procs([kernel], timeout=10)[0] == [kernel]
    assert '"status": "killed"' in project.lake("runs", "--json").stdout
    archived = _newest(project)
    receipt, notebook = archived.read_receipt(), archived.read_notebook()
    assert (receipt.status, receipt.reads, notebook.metadata.lake.status) == ("killed", {"bronze.a": 3}, "killed")
    assert [cell.metadata.papermill.status for cell in notebook.cells][-2:] == ["completed", "failed"]
    assert 'class="status killed"' in archived.page.read_text()


def test_the_next_run_removes_what_a_killed_runner_left(project: Project) -> None:
    with _asleep(project) as runner:
        runner.kill()
        runner.wait()
    left = list(Path(tempfile.gettempdir()).glob(f"lake-kernels-{runner.pid}-*"))
    sockets_folder().cleanup()
    assert left
    assert not any(folder.exists() for folder in left)


def test_a_living_runners_run_stays_running(project: Project) -> None:
    with _asleep(project):
        assert _newest(project).read_receipt().status == "running"


def test_a_runner_killed_before_the_page_leaves_it_to_the_next_one(project: Project) -> None:
    project.notebook("bronze.a")
    project.run()
    archived = _newest(project)
    archived.page.unlink()
    done = archived.read_receipt()
    gone = Process(done.runner.host, done.runner.pid, done.runner.started - 100)
    with RunStore(project.settings.run_store_url) as store:
        store.record(done.model_copy(update={"status": "running", "runner": gone}))
    assert _newest(project).read_receipt() == done
    assert 'class="status succeeded"' in archived.page.read_text()
