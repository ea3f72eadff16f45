"""The clock is set while the lake is at work: by hours, in both directions."""

from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from lakelib.runner.abandonment import open_store
from lakelib.runner.process import Process
from lakelib.runner.results import RunResult
from lakelib.runner.resuming import EVER
from lakelib.runner.secrets import Scrubber
from tests.runner.projects import Project

HOURS = timedelta(hours=3)


def _set_clock(by: timedelta, proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Linux tells it: the machine's start moves with the clock, and with it when processes seem to have begun."""
    proc.mkdir()
    for name in ("self", str(psutil.Process().pid)):
        (proc / name).symlink_to(f"/proc/{psutil.Process().pid}")
    (proc / "stat").write_text(f"btime {int(psutil.boot_time() + by.total_seconds())}\n")
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(proc))


@pytest.mark.parametrize("by", [HOURS, -HOURS])
def test_a_living_runner_is_not_taken_for_gone(by: timedelta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, seemed = Process.own(), psutil.Process().create_time()
    _set_clock(by, tmp_path / "proc", monkeypatch)
    assert psutil.Process().create_time() - seemed == pytest.approx(by.total_seconds(), abs=2)
    assert not before.is_gone()


def test_after_the_clock_was_set_back_work_is_done_again_and_its_run_is_the_newest(project: Project) -> None:
    project.notebook("bronze.a")
    earlier = project.run()["bronze.a"]
    _as_if_later(earlier, project, by=HOURS)
    again = project.run(resume_since=EVER)["bronze.a"].receipt
    assert again is not None
    assert earlier.receipt is not None
    assert again.run_id != earlier.receipt.run_id
    assert (again.seconds or 0) > 0
    with open_store(project.settings) as store:
        newest = store.newest_of("bronze.a", None)
    assert newest is not None
    assert (newest["run_id"], newest["finished_at"]) == (again.run_id, again.finished_at)


def _as_if_later(result: RunResult, project: Project, *, by: timedelta) -> None:
    """The run's times are such as a clock gives that is `by` ahead of the one of now."""
    assert result.receipt is not None
    assert result.archived is not None
    times = {name: getattr(result.receipt, name) for name in ("started_at", "finished_at")}
    moved = {
        name: (datetime.fromisoformat(time) + by).isoformat(timespec="milliseconds") for name, time in times.items()
    }
    receipt = result.archived.save_receipt(result.receipt.model_copy(update=moved), Scrubber([]))
    with open_store(project.settings) as store:
        store.record(receipt)
