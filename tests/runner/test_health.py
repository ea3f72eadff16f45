"""What `lake status` finds, whom it tells, and what it ends."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psutil
import pytest
from sqlalchemy import create_engine, text

from lakelib.runner.abandonment import open_store
from lakelib.runner.alerting import announce
from lakelib.runner.archive import place
from lakelib.runner.health import TableHealth, look
from lakelib.runner.process import Process
from lakelib.runner.receipt import Failure, Receipt
from lakelib.runner.secrets import Scrubber
from lakelib.runner.stopping import end_stuck
from tests.runner.projects import Project

# Apprise imports all its services, one of them a module that Python will drop.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
DAILY = [{"property": "latency", "value": 1, "unit": "d"}]


def _record(project: Project, run_id: str, *, hours_ago: float = 0.0, **changes: object) -> None:
    """A run in archive and run store, without having been executed."""
    moment = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat(timespec="milliseconds")
    receipt = Receipt(
        run_id=run_id,
        table="bronze.a",
        title="",
        start_date=None,
        end_date=None,
        parameters={},
        notebook="",
        code_sha256="",
        engine="embedded",
        versions={},
        runner=Process.own(),
        started_at=moment,
        finished_at=moment,
        status="succeeded",
    ).model_copy(update=changes)
    place(project.settings.archive, "bronze.a", interval="undated", run_id=run_id).save_receipt(receipt, Scrubber([]))
    with open_store(project.settings) as store:
        store.record(receipt)


def _health(project: Project) -> TableHealth:
    with open_store(project.settings) as store:
        [found] = look(project.settings, store)
    return found


@pytest.fixture
def daily(project: Project) -> Project:
    """A project whose one table promises to be at most a day old."""
    project.notebook("bronze.a")
    contract = project.folder / "contracts" / "bronze" / "a.yml"
    contract.write_text(json.dumps(json.loads(contract.read_text()) | {"slaProperties": DAILY}))
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
    _record(daily, "before", hours_ago=before)
    _record(daily, "newest", hours_ago=newest, **changes)
    assert _health(daily).state == state


def test_the_command_ends_with_1_for_a_problem_and_names_it(daily: Project) -> None:
    _record(daily, "r1", hours_ago=49)
    ended = daily.lake("status", "--json")
    [table] = json.loads(ended.stdout)
    assert (ended.returncode, table["state"], table["promised_seconds"]) == (1, "late", 86400)


@contextmanager
def _receiver() -> Iterator[tuple[str, list[str]]]:
    """A place that alerts are sent to, and what it got."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_a_problem_is_told_once_and_its_end_once(project: Project) -> None:
    failed, well = TableHealth("bronze.a", problems={"failed": "ValueError"}), TableHealth("bronze.a")
    with _receiver() as (address, got), open_store(project.settings) as store:
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
    with _receiver() as (address, got), open_store(project.settings) as store:
        for receiver in ("json://127.0.0.1:9", address):
            announce([failed], settings=project.settings.model_copy(update={"alerts": [receiver]}), store=store)
    assert got == ["bronze.a failed: ValueError"]


def test_a_failed_run_tells_the_address_behind_a_secret(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.notebook("bronze.a", "1 / 0")
    with _receiver() as (address, got):
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
        _record(project, "r1", status="running", runner=Process.of(process))
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
