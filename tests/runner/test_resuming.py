"""What was done is not done again: by one who resumes, by one who waited for another runner."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakelib import events
from lakelib.cli.recovery import resume
from lakelib.errors import UsageError
from lakelib.intervals import Interval
from lakelib.runner.abandonment import open_store
from lakelib.runner.health import look
from lakelib.runner.resuming import EVER
from tests.runner.projects import DATES, Project, emitting, until, write_table

COUNTS = "with open('../done', 'a') as file: file.write('x')"
WAITS = "from pathlib import Path\nimport time\nwhile not Path('../go').exists(): time.sleep(0.1)"
DAY = Interval.parse("2013-01-01", "2013-01-01")
DIES_AFTER_THE_FIRST = """
import os, signal
from lakelib.intervals import Interval
from lakelib.runner.batch import run_notebooks
from lakelib.settings import load_settings

def die(progress):
    if progress.finished:
        os.kill(os.getpid(), signal.SIGKILL)

run_notebooks(load_settings(), interval=Interval.parse("2013-01-01", "2013-01-01"), on_progress=die)
"""


def _done(project: Project) -> int:
    return len((project.folder / "notebooks" / "done").read_text())


def _write_twice(project: Project) -> str:
    """silver.b is at version 1, and its newest run wrote that."""
    published = emitting(9, events.Published("silver.b", "merge", 1, 1, 0, 0, True, 0.1))
    project.notebook("silver.b", published, COUNTS, parameters=DATES)
    table = write_table(project, "silver.b")
    project.run("silver", interval=DAY)
    return table


@pytest.fixture
def line(project: Project) -> Project:
    """A loaded delivery and a table that reads it; each notebook counts its runs."""
    delivery = project.folder / "data" / "landing" / "a" / "a_2013-01-01.csv"
    delivery.parent.mkdir(parents=True)
    delivery.write_text("name\na\n")
    write_table(project, "silver.b")
    seen = events.DeliverySeen("bronze.a", "a/a_2013-01-01.csv", "2013-01-01", 7, "ab", 1, "loaded")
    write_table(project, "bronze.a")
    project.notebook("bronze.a", 'ingest.csv("a/a_{date}.csv")', emitting(1, seen), COUNTS, parameters=DATES)
    (project.folder / "notebooks" / "silver" / "rates.py").write_text("rate = 1")
    read = emitting(1, events.TableRead("bronze.a", 0))
    project.notebook("silver.b", read, "import rates", COUNTS, reads=["bronze.a"], parameters=DATES)
    project.run(interval=DAY)
    assert _done(project) == 2
    return project


def test_what_is_done_is_left_out_and_told_with_its_run(line: Project) -> None:
    before = {table: result.receipt for table, result in line.run(interval=DAY, resume_since=EVER).items()}
    again = line.run(interval=DAY, resume_since=EVER)
    assert _done(line) == 2
    assert {table: result.receipt for table, result in again.items()} == before
    assert before["silver.b"] is not None
    assert again["silver.b"].reason == f"done before by run {before['silver.b'].run_id}"


def test_without_resume_everything_runs(line: Project) -> None:
    line.run(interval=DAY)
    assert _done(line) == 4


def test_what_was_done_before_a_time_can_be_run_again_and_what_was_done_after_it_left_out(line: Project) -> None:
    asked = datetime.now(UTC)
    for _ in range(2):
        line.run(interval=DAY, resume_since=asked)
    assert _done(line) == 4


@pytest.mark.parametrize(
    "change", ["input", "delivery", "changed delivery", "code", "module", "contract", "interval", "restore"]
)
def test_what_changed_since_is_run_again(line: Project, change: str) -> None:
    interval = DAY
    match change:
        case "input":
            write_table(line, "bronze.a")
        case "delivery" | "changed delivery":
            name = "a_2013-01-01.csv" if change == "changed delivery" else "late.csv"
            (line.folder / "data" / "landing" / "a" / name).write_text("name\nb\n\n")
        case "code":
            line.notebook("silver.b", COUNTS, "'other'", parameters=DATES)
        case "module":
            (line.folder / "notebooks" / "silver" / "rates.py").write_text("rate = 2")
        case "contract":
            line.contract("silver.b", description="other")
        case "interval":
            interval = Interval.parse("2013-01-01", "2013-01-02")
        case "restore":
            DeltaTable(_write_twice(line)).restore(0)
    before = _done(line)
    line.run(interval=interval, resume_since=EVER)
    assert _done(line) == before + (2 if change == "interval" else 1)


@pytest.mark.parametrize("is_begun_anew", [False, True], ids=["deleted", "begun anew"])
def test_a_table_that_was_deleted_is_made_again(line: Project, *, is_begun_anew: bool) -> None:
    shutil.rmtree(_write_twice(line))
    if is_begun_anew:
        write_table(line, "silver.b")
    before = _done(line)
    line.run(interval=DAY, resume_since=EVER)
    assert _done(line) == before + 1


def test_a_landing_that_was_moved_is_no_reason_to_fail(line: Project) -> None:
    shutil.move(line.folder / "data" / "landing", line.folder / "elsewhere")
    assert line.run(interval=DAY, resume_since=EVER)["bronze.a"].status == "succeeded"


def test_a_notebook_that_is_gone_holds_up_no_other(project: Project) -> None:
    for table in ("bronze.a", "bronze.gone"):
        write_table(project, table)
        project.notebook(table, "from pathlib import Path\nassert Path('../mended').exists()")
        assert project.lake("run", table).returncode == 1
    (project.folder / "notebooks" / "bronze" / "gone.ipynb").unlink()
    (project.folder / "notebooks" / "mended").touch()
    ended = project.lake("resume", "--failed")
    assert ended.returncode == 0
    assert "1 of 1 notebooks succeeded" in ended.stdout
    assert "Left out: bronze.gone was asked for; no notebook and no layer is named so." in ended.stderr


def test_the_command_goes_on_with_what_was_asked_for(project: Project) -> None:
    write_table(project, "bronze.a")
    write_table(project, "silver.b")
    project.notebook("bronze.a", COUNTS, parameters=DATES)
    project.notebook("silver.b", "from pathlib import Path\nassert Path('../mended').exists()", reads=["bronze.a"])
    assert project.lake("run", "--from", "2013-01-03").returncode == 1
    (project.folder / "notebooks" / "mended").touch()
    results = json.loads(project.lake("resume", "--failed", "--json").stdout)
    assert [(each["table"], each["interval"], each["status"]) for each in results] == [
        ("bronze.a", "2013-01-03", "succeeded"),
        ("silver.b", "undated", "succeeded"),
    ]
    assert _done(project) == 1
    assert project.lake("resume", "--failed").stdout == "Nothing failed that has not succeeded since.\n"
    assert "done before by run" in project.lake("resume", results[1]["run_id"]).stdout


def test_what_a_killed_runner_never_began_is_told_and_gone_on_with(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(project, "bronze.a")
    project.notebook("bronze.a", COUNTS, parameters=DATES)
    project.notebook("silver.b", COUNTS, reads=["bronze.a"], parameters=DATES)
    monkeypatch.setenv("LAKE_PROJECT", str(project.folder))
    killed = subprocess.run([sys.executable, "-c", DIES_AFTER_THE_FIRST], check=False, capture_output=True)
    assert (killed.returncode, _done(project)) == (-signal.SIGKILL, 1)
    with open_store(project.settings) as store:
        states = {each.table: (each.state, each.problems) for each in look(project.settings, store)}
    assert states == {
        "bronze.a": ("ok", {}),
        "silver.b": ("unfinished", {"unfinished": "2013-01-01: the runner ended before this began"}),
    }
    resume(failed=True, as_json=True)
    results = {each["table"]: each for each in json.loads(capsys.readouterr().out)}
    assert (results["bronze.a"]["reason"][:11], results["silver.b"]["status"]) == ("done before", "succeeded")
    assert _done(project) == 2
    resume(failed=True)
    assert capsys.readouterr().out == "Nothing failed that has not succeeded since.\n"


def test_resume_wants_a_run_or_failed() -> None:
    with pytest.raises(UsageError, match="Name one run, or say --failed"):
        resume()


def test_two_runners_of_one_thing_do_it_once(project: Project) -> None:
    for table in ("bronze.a", "silver.b"):
        write_table(project, table)
    project.notebook("bronze.a", COUNTS, WAITS)
    project.notebook("silver.b", COUNTS, reads=["bronze.a"])
    with project.lake_started("run") as first, project.lake_started("run") as second:
        runners = (first, second)
        until(lambda: all(_is_at_work(runner) for runner in runners), seconds=60)
        (project.folder / "notebooks" / "go").touch()
        shown = [runner.communicate(timeout=60)[0] for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0]
    assert _done(project) == 2
    assert sum(text.count("done before by run") for text in shown) == 2


def _is_at_work(runner: "subprocess.Popen[str]") -> bool:
    return any(Path(tempfile.gettempdir()).glob(f"lake-kernels-{runner.pid}-*"))


def test_a_killed_runners_lease_is_free_and_another_tables_was_never_taken(project: Project) -> None:
    sleeping = project.folder / "notebooks" / "asleep"
    project.notebook("bronze.a", "from pathlib import Path\nimport time\nPath('../asleep').touch()\ntime.sleep(60)")
    project.notebook("bronze.b", COUNTS)
    with project.lake_started("run", "bronze.a") as runner:
        until(sleeping.exists)
        assert project.run("bronze.b")["bronze.b"].status == "succeeded"
        project.notebook("bronze.a", COUNTS)
        runner.kill()
    assert project.run("bronze.a")["bronze.a"].status == "succeeded"
    assert not list(Path(project.folder / ".lake" / "leases").iterdir())
