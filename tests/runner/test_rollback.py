"""Runs are taken back by restoring the tables they wrote, with all that was made from them, and on record."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from lakelib.cli.receipts import rollback
from lakelib.errors import UsageError
from lakelib.runner.abandonment import open_store
from lakelib.runner.rollback import carry_out, plan_rollback, plan_rollback_to
from tests.runner.projects import Project


def _commit(project: Project, table: str, run_id: str, **reads: int) -> datetime:
    """One row, named as the run that wrote it; when the commit was made."""
    label = {"run_id": run_id, "reads": {name.replace("_", "."): version for name, version in reads.items()}}
    properties = CommitProperties(custom_metadata={"userMetadata": json.dumps(label)})
    path = str(project.settings.warehouse / table.replace(".", "/"))
    write_deltalake(path, pa.table({"run": [run_id]}), mode="append", commit_properties=properties)
    return datetime.fromtimestamp(DeltaTable(path).history(1)[0]["timestamp"] / 1000, UTC)


def _runs(project: Project, table: str) -> list[str]:
    path = str(project.settings.warehouse / table.replace(".", "/"))
    return sorted(DeltaTable(path).to_pyarrow_table()["run"].to_pylist())


def _roll_back(project: Project, run_id: str, *, with_dependants: bool = False) -> None:
    with open_store(project.settings) as store:
        plan = plan_rollback(run_id, project.settings, with_dependants=with_dependants)
        carry_out(plan, settings=project.settings, store=store)


@pytest.fixture
def lake(project: Project) -> Project:
    """silver.b was made from the first run's rows of silver.a, and silver.a was written again."""
    _commit(project, "silver.a", "r0")
    _commit(project, "silver.b", "s0", silver_a=0)
    _commit(project, "silver.a", "r1", silver_b=0)
    _commit(project, "silver.b", "s1", silver_a=1)
    return project


def test_the_newest_run_is_taken_back_alone(lake: Project) -> None:
    _roll_back(lake, "s1")
    assert (_runs(lake, "silver.a"), _runs(lake, "silver.b")) == (["r0", "r1"], ["s0"])


def test_a_run_that_others_were_made_from_is_refused_with_their_names(lake: Project) -> None:
    with pytest.raises(UsageError, match="of the runs s1"):
        plan_rollback("r1", lake.settings, with_dependants=False)
    assert _runs(lake, "silver.a") == ["r0", "r1"]


def test_with_dependants_all_that_came_after_goes_too(lake: Project) -> None:
    _roll_back(lake, "r1", with_dependants=True)
    assert (_runs(lake, "silver.a"), _runs(lake, "silver.b")) == (["r0"], ["s0"])


def test_a_run_before_one_that_was_taken_back_can_be_taken_back(lake: Project) -> None:
    _roll_back(lake, "s1")
    _commit(lake, "silver.b", "s2", silver_a=1)
    plan = plan_rollback("s0", lake.settings, with_dependants=True)
    assert (plan.tables, plan.runs) == ({"silver.a": 0, "silver.b": 0}, ["r1", "s0", "s2"])


def test_what_was_taken_back_is_not_taken_back_twice(lake: Project) -> None:
    _roll_back(lake, "s1")
    with pytest.raises(UsageError, match="not taken back already"):
        plan_rollback("s1", lake.settings, with_dependants=True)


def test_the_lake_becomes_what_it_was_at_a_time(project: Project) -> None:
    _commit(project, "silver.a", "r0")
    moment = _commit(project, "silver.b", "s0")
    _commit(project, "silver.a", "r1")
    _commit(project, "silver.c", "t0")
    plan = plan_rollback_to(moment, project.settings)
    assert (plan.tables, plan.runs) == ({"silver.a": 0, "silver.c": 0}, ["r1", "t0"])


def test_a_rollback_that_was_killed_is_finished_by_the_next(lake: Project) -> None:
    plan = plan_rollback("r1", lake.settings, with_dependants=True)
    with open_store(lake.settings) as store:
        carry_out(plan, settings=lake.settings, store=store)
        record = lake.settings.archive / "rollbacks" / f"{plan.id}.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"finished_at": None}))
        again = plan_rollback("r1", lake.settings, with_dependants=False)
        carry_out(again, settings=lake.settings, store=store)
    assert again.id == plan.id
    assert DeltaTable(str(lake.settings.warehouse / "silver" / "a")).version() == 2


def test_the_command_records_it_in_the_runs_receipt(project: Project) -> None:
    project.notebook("bronze.a")
    result = project.run()["bronze.a"]
    assert result.receipt is not None
    _commit(project, "bronze.a", "before")
    _commit(project, "bronze.a", result.receipt.run_id)
    assert json.loads(project.lake("rollback", result.receipt.run_id, "--dry-run", "--json").stdout)["is_done"] is False
    assert project.lake("rollback", result.receipt.run_id).returncode == 0
    assert _runs(project, "bronze.a") == ["before"]
    assert result.archived is not None
    receipt = result.archived.read_receipt()
    assert (receipt.status, receipt.remark.startswith("taken back by")) == ("rolled back", True)


@pytest.mark.parametrize(
    ("run_id", "to", "said"),
    [(None, None, "Name one run"), ("r", "2024-01-01", "Name one run"), (None, "yesterday", "'yesterday' was given")],
)
def test_wrong_use_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, run_id: str | None, to: str | None, said: str
) -> None:
    monkeypatch.setenv("LAKE_PROJECT", str(project.folder))
    with pytest.raises(UsageError, match=said):
        rollback(run_id, to=to)
