"""What is old and needed by nothing goes; what a receipt in the archive names stays."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from lakelib import events
from lakelib.runner.abandonment import open_store
from lakelib.runner.archive import Archived
from lakelib.runner.comparing import fact_differences
from lakelib.runner.retention import prune, vacuum
from lakelib.runner.secrets import Scrubber
from tests.runner.projects import DATES, Project, emitting


def _table(project: Project, versions: int) -> str:
    path = str(project.settings.warehouse / "silver" / "a")
    for number in range(versions):
        write_deltalake(path, pa.table({"n": [number]}), mode="overwrite")
    return path


def test_a_vacuum_keeps_the_versions_that_receipts_name(project: Project) -> None:
    project.notebook("silver.a", emitting(1, events.TableRead("silver.a", 1)), reads=["silver.a"])
    project.run()
    table = _table(project, 5)
    at_once = project.settings.model_copy(update={"keep_days": 0})
    assert [(each.files, each.kept) for each in vacuum(at_once, ["silver.a"], dry_run=True)] == [(2, [0, 1])]
    assert [each.files for each in vacuum(at_once, ["silver.a"], dry_run=False)] == [2]
    read = [DeltaTable(table, version=number).to_pyarrow_table()["n"][0].as_py() for number in (0, 1, 4)]
    assert read == [0, 1, 4]
    with pytest.raises((DeltaError, OSError)):
        DeltaTable(table, version=2).to_pyarrow_table()


def test_a_vacuum_within_the_days_to_keep_deletes_nothing(project: Project) -> None:
    _table(project, 3)
    assert [each.files for each in vacuum(project.settings, ["silver.a"], dry_run=True)] == [0]
    assert project.lake("vacuum", "silver.b").returncode == 2


def _aged(archived: Archived | None, project: Project, *, days: int) -> None:
    assert archived is not None
    ended = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
    receipt = archived.read_receipt().model_copy(update={"started_at": ended, "finished_at": ended})
    archived.save_receipt(receipt, Scrubber([]))
    with open_store(project.settings) as store:
        store.record(receipt)


def test_old_runs_are_pruned_save_the_newest_of_each_interval(project: Project) -> None:
    project.notebook("bronze.a", parameters=DATES)
    first, second, other = (
        project.run(parameters={"end_date": day})["bronze.a"] for day in ("2013-01-01", "2013-01-01", "2013-01-02")
    )
    _aged(first.archived, project, days=92)
    _aged(second.archived, project, days=91)
    _aged(other.archived, project, days=99)
    with open_store(project.settings) as store:
        assert prune(project.settings, store, dry_run=True) == prune(project.settings, store, dry_run=False)
        assert [row["end_date"] for row in store.newest(limit=9)] == ["2013-01-01", "2013-01-02"]
    assert first.archived is not None
    assert list(first.archived.folder.glob(f"{first.archived.run_id}.*")) == []


def test_the_archive_is_listed_and_searched(project: Project) -> None:
    project.notebook("bronze.a", "print('needle in', 'a haystack')", "raise ValueError('thimble')")
    project.run()
    [run] = json.loads(project.lake("archive", "ls", "--json").stdout)
    assert (run["table"], run["status"], run["kilobytes"] > 0) == ("bronze.a", "failed", True)
    [found] = json.loads(project.lake("archive", "grep", "needle in a", "--json").stdout)
    assert (found["run_id"], found["cell"], found["line"]) == (run["run_id"], 4, "needle in a haystack")
    nothing = project.lake("archive", "grep", "needle", "silver.b")
    assert (nothing.returncode, nothing.stdout) == (1, "needle is nowhere in the archive.\n")


def test_two_runs_are_compared_in_facts_and_code(project: Project) -> None:
    project.notebook("bronze.a", emitting(1, events.TableRead("bronze.b", 1)), "1 + 1", parameters=DATES)
    first = project.run("bronze.a")["bronze.a"].receipt
    project.notebook("bronze.a", emitting(1, events.TableRead("bronze.b", 2)), "1 + 2", parameters=DATES)
    second = project.run("bronze.a", parameters={"end_date": "2013-01-02"})["bronze.a"].receipt
    assert first is not None
    assert second is not None
    compared = json.loads(project.lake("diff", first.run_id, second.run_id, "--json").stdout)
    assert {"what": "reads.bronze.b", "left": 1, "right": 2} in compared["facts"]
    assert {"what": "parameters.end_date", "left": "2013-01-01", "right": "2013-01-02"} in compared["facts"]
    assert "-1 + 1\n+1 + 2" in "\n".join(compared["code"])
    assert fact_differences(first, first) == []
