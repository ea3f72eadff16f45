import json

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from tests.runner.projects import Project


@pytest.fixture
def flights(project: Project) -> Project:
    """silver.flights with two versions: one flight, then two more."""
    path = str(project.settings.warehouse / "silver" / "flights")
    write_deltalake(path, pa.table({"carrier": ["AA"], "flight": [1]}))
    write_deltalake(path, pa.table({"carrier": ["UA", "DL"], "flight": [2, 3]}), mode="append")
    return project


def test_sql_answers_with_rows(flights: Project) -> None:
    asked = flights.lake("sql", "SELECT carrier, flight FROM silver.flights ORDER BY flight", "--json")
    assert json.loads(asked.stdout) == [{"carrier": c, "flight": n} for c, n in (("AA", 1), ("UA", 2), ("DL", 3))]
    assert asked.stderr == ""


def test_sql_says_when_rows_are_left_out(flights: Project) -> None:
    asked = flights.lake("sql", "SELECT flight FROM silver.flights ORDER BY flight", "--limit", "2")
    assert asked.stdout.split() == ["flight", "1", "2"]
    assert "Only the first 2 rows are shown" in asked.stderr


def test_rows_are_shown_as_they_are(flights: Project) -> None:
    assert flights.lake("sql", "SELECT '[bold]a[/bold]' AS text").stdout.split() == ["text", "[bold]a[/bold]"]


@pytest.mark.parametrize("query", ["DELETE FROM silver.flights", "SELECT * FROM silver.none"])
def test_what_is_no_query_is_refused(flights: Project, query: str) -> None:
    asked = flights.lake("sql", query)
    assert (asked.returncode, "Traceback" in asked.stderr) == (2, False)
    assert "Hint:" in asked.stderr


def test_history_and_restore(flights: Project) -> None:
    assert [v["version"] for v in json.loads(flights.lake("history", "silver.flights", "--json").stdout)] == [1, 0]
    assert "as version 2" in flights.lake("restore", "silver.flights", "--version", "0").stdout
    asked = flights.lake("sql", "SELECT count(*) AS n FROM silver.flights", "--json")
    assert json.loads(asked.stdout) == [{"n": 1}]


def test_a_table_that_is_not_there_is_told(project: Project) -> None:
    asked = project.lake("history", "silver.none")
    assert (asked.returncode, "Traceback" in asked.stderr) == (1, False)
    assert "lake run silver.none" in asked.stderr
