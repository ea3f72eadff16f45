"""What `lake status` finds, whom it tells, and what it ends."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import psutil
import pytest
from sqlalchemy import create_engine, text

from lakelib.runner.abandonment import open_store
from lakelib.runner.alerting import announce
from lakelib.runner.health import TableHealth, look
from lakelib.runner.process import Process
from lakelib.runner.receipt import Failure
from lakelib.runner.stopping import end_stuck
from tests.runner.projects import Project
from tests.runner.watched import promise, promise_a_day, receiver, record

# Apprise imports all its services, one of them a module that Python will drop.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def _health(project: Project) -> TableHealth:
    with open_store(project.settings) as store:
        [found] = look(project.settings, store)
    return found


@pytest.mark.parametrize(
    ("value", "unit", "days"),
    [
        (1, "d", 1),
        (1, None, 1),
        (1, "hours", 1 / 24),
        (1, "months", 30),
        (1, "yr", 365),
        (4, "Days", 4),
        ("0.5", "d", 0.5),
        (1, "?", None),
        (1, "ms", None),
        ("daily", None, None),
        (None, "d", None),
        (True, "d", None),
        (-1, "d", None),
        ("nan", "d", None),
        (1e300, "y", None),
    ],
)
def test_ages_are_promised_in_the_units_of_odcs(
    project: Project, value: object, unit: str | None, days: float | None
) -> None:
    project.notebook("bronze.a")
    promise(project, "bronze.a", {"property": "latency", "value": value, "unit": unit})
    assert _health(project).promised == (None if days is None else timedelta(days=days))


def test_a_contract_that_can_not_be_read_is_a_problem_of_its_table(project: Project) -> None:
    project.notebook("bronze.a")
    (project.folder / "contracts" / "bronze" / "a.yml").write_text("schema: [")
    found = _health(project)
    assert (found.state, "a.yml" in found.problems["contract"]) == ("contract", True)


@pytest.fixture
def daily(project: Project) -> Project:
    """A project whose one table promises to be at most a day old."""
    project.notebook("bronze.a")
    promise_a_day(project, "bronze.a")
    return project


def _refused(verdict: str) -> dict[str, object]:
    error = Failure(kind="DeliveryRefusedError", message="")
    return {"status": "failed", "error": error, "deliveries": [{"verdict": verdict}]}


@pytest.mark.parametrize(
    ("before", "newest", "changes", "state"),
    [
        (30, 23, {}, "ok"),
        (30, 25, {}, "late"),
        (9, 1, {"status": "failed", "error": Failure(kind="ValueError", message="")}, "failed"),
        (9, 1, _refused("held"), "held"),
        (9, 1, _refused("refused"), "failed"),
        (9, 1, {"status": "running"}, "running"),
    ],
)
def test_the_state_is_that_of_the_newest_run(
    daily: Project, before: float, newest: float, changes: dict[str, object], state: str
) -> None:
    assert _health(daily).state == "never run"
    record(daily, "before", hours_ago=before)
    record(daily, "newest", hours_ago=newest, **changes)
    assert _health(daily).state == state


def test_the_command_ends_with_1_for_a_problem_and_names_it(daily: Project) -> None:
    record(daily, "r1", hours_ago=49)
    ended = daily.lake("status", "--json")
    [table] = json.loads(ended.stdout)
    assert (ended.returncode, table["state"], table["promised_seconds"]) == (1, "late", 86400)


def test_a_problem_is_told_once_and_its_end_once(project: Project) -> None:
    failed, well = TableHealth("bronze.a", problems={"failed": "ValueError"}), TableHealth("bronze.a")
    with receiver() as (address, got), open_store(project.settings) as store:
        settings = project.settings.model_copy(update={"alerts": [address]})
        for health in (failed, failed, well, well, failed):
            announce([health], settings=settings, store=store)
    assert got == [
        "bronze.a failed: ValueError",
        "bronze.a recovered: no longer failed",
        "bronze.a failed: ValueError",
    ]


def test_what_could_not_be_told_is_told_the_next_time(project: Project) -> None:
    failed = TableHealth("bronze.a", problems={"failed": "ValueError"})
    with receiver() as (address, got), open_store(project.settings) as store:
        for place in ("json://127.0.0.1:9", address):
            announce([failed], settings=project.settings.model_copy(update={"alerts": [place]}), store=store)
    assert got == ["bronze.a failed: ValueError"]


def test_a_failed_run_tells_the_address_behind_a_secret(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.notebook("bronze.a", "1 / 0")
    with receiver() as (address, got):
        monkeypatch.setenv("TEST_ALERTS", address)
        (project.folder / "conf" / "local.yml").write_text("alerts: [env:TEST_ALERTS]")
        receipt = project.run()["bronze.a"].receipt
    assert receipt is not None
    assert got == [f"bronze.a failed: undated: ZeroDivisionError in run {receipt.run_id}"]


@pytest.fixture
def silent(project: Project) -> Iterator[psutil.Process]:
    """A runner that lives, and said so last ten minutes ago."""
    project.notebook("bronze.a")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as runner:
        process = psutil.Process(runner.pid)
        record(project, "r1", status="running", runner=Process.of(process))
        seen_at = (datetime.now(UTC) - timedelta(minutes=10)).isoformat(timespec="milliseconds")
        engine = create_engine(project.settings.run_store_url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE runs SET seen_at = :seen_at"), {"seen_at": seen_at})
        engine.dispose()
        yield process
        runner.kill()


def test_a_stuck_runner_is_found_and_ended_and_its_run_is_killed(project: Project, silent: psutil.Process) -> None:
    assert _health(project).state == "stuck"
    with open_store(project.settings) as store:
        assert end_stuck(store, watched_seconds=0.1) == ["r1"]
    assert _health(project).state == "failed"


def test_a_runner_that_is_heard_of_meanwhile_lives(project: Project, silent: psutil.Process) -> None:
    with open_store(project.settings) as store:
        living = Thread(target=lambda: store.alive(["r1"]))
        living.start()
        assert end_stuck(store, watched_seconds=0.5) == []
        living.join()
    assert silent.is_running()
