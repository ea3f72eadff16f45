import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from lakelib.errors import SettingsError, UsageError
from lakelib.runner.abandonment import open_store
from lakelib.runner.archive import receipts
from lakelib.runner.process import Process
from lakelib.runner.receipt import Asked, Failure, Receipt, Rows
from lakelib.runner.store import RunStore
from tests.runner.projects import DATES, Project


def receipt(run_id: str, **facts: object) -> Receipt:
    given = {
        "run_id": run_id,
        "table": "bronze.a",
        "title": "",
        "start_date": "2013-01-01",
        "end_date": "2013-01-02",
        "parameters": {},
        "notebook": "notebooks/bronze/a.ipynb",
        "code_sha256": "",
        "engine": "embedded",
        "versions": {},
        "runner": Process.own(),
        "started_at": datetime.now(UTC).isoformat(),
    }
    return Receipt.model_validate(given | facts)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'new' / 'runs.db'}"


def test_a_run_is_running_until_it_is_finished(url: str) -> None:
    with RunStore(url) as store:
        store.record(receipt("r1"))
        assert store.newest(limit=1)[0]["status"] == "running"
        error = Failure(kind="RuleError", message="too many")
        store.record(receipt("r1", status="failed", rows=Rows(staged=3, published=2, quarantined=1), error=error))
        row = store.find("r1")
    assert (row["status"], row["staged"], row["published"], row["quarantined"]) == ("failed", 3, 2, 1)
    assert (row["error_kind"], row["error_message"], row["start_date"]) == ("RuleError", "too many", "2013-01-01")


def test_many_may_be_the_first_to_open_a_store(tmp_path: Path) -> None:
    for number in range(5):
        with ThreadPoolExecutor(8) as threads:
            stores = list(threads.map(RunStore, [f"sqlite:///{tmp_path}/{number}.db"] * 8))
        assert [list(store.newest(limit=1)) for store in stores] == [[]] * 8
        for store in stores:
            store.close()


def test_the_newest_runs_come_first(url: str) -> None:
    with RunStore(url) as store:
        for run_id, day in (("r1", "2026-01-02"), ("r2", "2026-01-03"), ("r3", "2026-01-01")):
            store.record(receipt(run_id, started_at=day))
        assert [row["run_id"] for row in store.newest(limit=2)] == ["r2", "r1"]


@pytest.mark.parametrize(
    ("asked", "said"), [("r", "several begin so"), ("x", "none begins so"), ("%", "none begins so")]
)
def test_a_run_is_found_by_how_its_id_begins(url: str, asked: str, said: str) -> None:
    with RunStore(url) as store:
        store.record(receipt("r1"))
        store.record(receipt("r2"))
        assert store.find("r2")["run_id"] == "r2"
        with pytest.raises(UsageError, match=said):
            store.find(asked)


@pytest.mark.parametrize(
    ("process", "abandoned"),
    [
        (Process.own(), []),
        (Process(Process.own().host, os.getpid(), Process.own().started - 100), ["r1"]),
        (Process("another-host", 1, 1.0), []),
    ],
)
def test_a_run_is_abandoned_when_its_very_process_is_gone(url: str, process: Process, abandoned: list[str]) -> None:
    with RunStore(url) as store:
        store.record(receipt("r1", runner=process))
        assert [row["run_id"] for row in store.abandoned()] == abandoned


@pytest.mark.parametrize("seen_at", ["2026-01-01T00:00:00+00:00", "2126-01-01T00:00:00+00:00"])
def test_another_hosts_silent_run_is_abandoned_until_it_is_heard_of(url: str, seen_at: str) -> None:
    with RunStore(url) as store:
        store.record(receipt("r1", runner=Process("another-host", 1, 1.0)))
        with create_engine(url).begin() as connection:
            connection.execute(text("UPDATE runs SET seen_at = :seen_at"), {"seen_at": seen_at})
        assert [row["run_id"] for row in store.abandoned()] == ["r1"]
        store.alive(["r1"])
        assert store.abandoned() == []


def test_another_hosts_silent_line_is_unfinished_until_it_is_heard_of(url: str) -> None:
    with RunStore(url) as store:
        store.begin_line("l1", Asked(), runner=Process("another-host", 1, 1.0))
        with create_engine(url).begin() as connection:
            connection.execute(text("UPDATE lines SET seen_at = '2026-01-01T00:00:00+00:00'"))
        assert [line["line_id"] for line in store.unfinished()] == ["l1"]
        store.alive([], line_id="l1")
        assert store.unfinished() == []


def test_a_line_takes_those_along_that_died_at_the_same_work_and_no_others(url: str) -> None:
    same, other = Asked(selection=["bronze"]), Asked(selection=["silver"])
    dead = Process(Process.own().host, os.getpid(), Process.own().started - 100)
    with RunStore(url) as store:
        for line_id, asked in (("dead-1", same), ("dead-2", other), ("dead-3", same)):
            store.begin_line(line_id, asked, runner=dead)
        store.begin_line("done", same, runner=dead)
        store.end_line("done", same)
        assert [line["line_id"] for line in store.unfinished()] == ["dead-2"]


@pytest.mark.parametrize("url", ["runs", "nosql://runs", "sqlite:////proc/none/runs.db"])
def test_a_store_that_cannot_be_opened_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match="The run store could not be opened"):
        RunStore(url)


def test_the_url_may_be_a_secret_reference(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_TEST_STORE", f"sqlite:///{project.folder / 'elsewhere.db'}")
    (project.folder / "conf" / "local.yml").write_text("run_store: env:LAKE_TEST_STORE")
    with open_store(project.settings) as store:
        assert store.newest(limit=1) == []
    assert (project.folder / "elsewhere.db").exists()


def test_sqlite_is_kept_in_write_ahead_mode(url: str) -> None:
    with RunStore(url), create_engine(url).connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_the_store_is_made_again_from_the_archive(project: Project) -> None:
    project.notebook("bronze.a", parameters=DATES)
    project.run()
    with RunStore(project.settings.run_store_url) as store:
        before = [dict(row) | {"seen_at": ""} for row in store.newest(limit=9)]
        assert store.rebuild(receipts(project.settings.archive)) == 1
        assert [dict(row) | {"seen_at": ""} for row in store.newest(limit=9)] == before
