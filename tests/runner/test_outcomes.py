"""What breaks around a run, and what becomes of the run and its table."""

import sqlite3

import pytest
from deltalake import DeltaTable

from lakelib.engine.spark_server import ensure_server, stop_server
from lakelib.runner.abandonment import open_store
from lakelib.runner.archive import receipts
from tests.runner.projects import Project
from tests.runner.real import real_project

# As on a full disk, until there is room: no file of this process may get larger.
FULL = (
    "import resource\nfrom pathlib import Path\n"
    "if not Path('../room').exists():\n"
    "    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
)
MANY = "names.sparkSession.range(50_000).selectExpr('sha2(cast(id AS string), 256) AS name')"
LOAD = "from lakelib import ingest\ntables.load(ingest.csv('b/b_{date}.csv'), run.contract, delivered=run.interval)"
ON_SPARK = "engine: spark\nretry_seconds: 0.01\nspark: {memory: 1g}"
DIES = "import os, signal\nfrom pathlib import Path\nif not Path('../died').exists():\n    Path('../died').touch()\n"
DIES += "    os.kill(os.getpid(), signal.SIGKILL)\ntables.overwrite(names, run.contract)"


def _rows(project: Project) -> int:
    return DeltaTable(str(project.settings.warehouse / "silver" / "b")).count()


def test_on_a_full_disk_the_run_fails_the_table_stays_and_with_room_the_rerun_ends_well(project: Project) -> None:
    real_project(project)
    project.run("silver.b")
    real_project(project, write=f"{FULL}tables.merge({MANY}, run.contract)")
    failed = project.run("silver.b")["silver.b"]
    assert (failed.status, failed.is_transient, _rows(project)) == ("failed", True, 2)
    (project.folder / "notebooks" / "room").touch()
    assert project.run("silver.b")["silver.b"].status == "succeeded"
    assert _rows(project) == 50_002


def test_an_engine_that_dies_with_its_kernel_is_replaced_by_the_retry(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text("retry_seconds: 0.01")
    result = real_project(project, write=DIES).run("silver.b", retries=1)["silver.b"]
    assert result.receipt is not None
    assert (result.status, result.receipt.attempt, _rows(project)) == ("succeeded", 2, 2)


@pytest.mark.year_spark  # as dear as the year's tests: a Spark server of its own, twice
def test_a_spark_server_that_dies_is_started_again_for_the_retry(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text(ON_SPARK)
    real_project(project, write=DIES.replace("os.getpid()", "int(Path('../server').read_text())"))
    (project.folder / "notebooks" / "server").write_text(str(ensure_server(project.settings).jvm_pid))
    try:
        result = project.run("silver.b", retries=1)["silver.b"]
    finally:
        stop_server(project.settings)
    assert result.receipt is not None
    assert (result.status, result.receipt.attempt, _rows(project)) == ("succeeded", 2, 2)


def test_a_missing_landing_folder_is_named_and_not_tried_again(project: Project) -> None:
    result = real_project(project, write=LOAD).run("silver.b", retries=1)["silver.b"]
    assert result.error is not None
    assert (result.status, result.is_transient) == ("failed", False)
    assert "data/landing" in result.error.message


def test_a_locked_run_store_fails_no_run_and_is_made_whole_from_the_archive(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    store_file = project.folder / "runs.db"
    (project.folder / "conf" / "local.yml").write_text(f"run_store: sqlite:///{store_file}?timeout=0.1")
    project.notebook("bronze.a")
    open_store(project.settings).close()
    writer = sqlite3.connect(store_file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert project.run()["bronze.a"].status == "succeeded"
    writer.close()
    assert "was not recorded: database is locked" in caplog.text
    with open_store(project.settings) as store:
        assert store.newest(limit=9) == []
        assert store.rebuild(receipts(project.settings.archive)) == 1
