"""What two runs made of a table of gold."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakelib.errors import EngineError
from lakelib.runner.outputs import RowChanges, row_changes
from lakelib.runner.receipt import Receipt
from tests.runner.projects import Project
from tests.runner.test_store import receipt


@pytest.fixture
def kpis(project: Project) -> Project:
    """`gold.kpi`, rows told apart by `name`, in two versions."""
    project.contract("gold.kpi", primaryKey=True)
    path = str(project.settings.warehouse / "gold" / "kpi")
    for run_id, flights in (("r1", {"AA": 1, "B6": 2, "DL": None}), ("r2", {"AA": 1, "B6": 3, "UA": 4})):
        rows = {"name": list(flights), "flights": list(flights.values()), "_run_id": [run_id] * 3}
        schema = pa.schema([("name", pa.string()), ("flights", pa.int64()), ("_run_id", pa.string())])
        write_deltalake(path, pa.table(rows, schema=schema), mode="overwrite")
    return project


def _ran(run_id: str, *, version: int | None, table: str = "gold.kpi") -> Receipt:
    writes = [] if version is None else [{"table": table, "version": version}]
    later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    return receipt(run_id, table=table, status="succeeded", writes=writes, finished_at=later)


def test_rows_that_came_went_or_changed_are_told_by_their_key(kpis: Project) -> None:
    found = row_changes(_ran("r1", version=0), _ran("r2", version=1), settings=kpis.settings)
    assert found == RowChanges(
        table="gold.kpi",
        left=0,
        right=1,
        added=1,
        removed=1,
        changed=1,
        examples=[
            {"name": "B6", "change": "changed", "values": {"flights": (2, 3)}},
            {"name": "DL", "change": "removed", "values": {"flights": None}},
            {"name": "UA", "change": "added", "values": {"flights": 4}},
        ],
    )


def test_a_run_that_changed_nothing_left_the_version_that_it_found(kpis: Project) -> None:
    found = row_changes(_ran("r2", version=1), _ran("r3", version=None), settings=kpis.settings)
    assert found == RowChanges("gold.kpi", 1, 1, 0, 0, 0, [])


def test_only_runs_of_one_table_of_gold_have_rows_to_compare(kpis: Project) -> None:
    silver = [_ran(run_id, version=0, table="silver.a") for run_id in ("r1", "r2")]
    assert row_changes(*silver, settings=kpis.settings) is None
    assert row_changes(silver[0], _ran("r1", version=0), settings=kpis.settings) is None


def test_rows_of_many_columns_are_compared(project: Project) -> None:
    project.contract("gold.kpi", primaryKey=True)
    for value in (1, 2):
        rows = {"name": ["AA"], **{f"value_{number}": [value] for number in range(150)}}
        write_deltalake(str(project.settings.warehouse / "gold" / "kpi"), pa.table(rows), mode="overwrite")
    found = row_changes(_ran("r1", version=0), _ran("r2", version=1), settings=project.settings)
    assert found is not None
    assert (found.changed, len(found.examples[0]["values"])) == (1, 150)


def test_rows_whose_file_is_gone_are_not_compared(kpis: Project) -> None:
    for file in (kpis.settings.warehouse / "gold" / "kpi").glob("*.parquet"):
        file.unlink()
    with pytest.raises(EngineError, match=r"The rows of gold\.kpi were to be compared"):
        row_changes(_ran("r1", version=0), _ran("r2", version=1), settings=kpis.settings)
