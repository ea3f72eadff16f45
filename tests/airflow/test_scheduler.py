"""The scheduler runs the notebooks: triggered by REST, looked at by REST, compared with the known answers."""

import json
from urllib.parse import quote

import psutil
import pytest
from deltalake import DeltaTable

from lakelib.runner.archive import receipts
from lakelib.settings import Settings
from tests.airflow.conftest import LATE, LINE, DagRun, Rest, deliver
from tests.line.oracles import ORACLES, rows
from tests.runner.projects import Project, until


@pytest.fixture(scope="module")
def week(rest: Rest, flights: Settings) -> DagRun:
    """Its last day is delivered when the triggerer waits for it."""
    run = rest.trigger("lake", start_date="2013-01-01", end_date="2013-01-07")
    rest.until(lambda: run.tasks()["bronze.flights_delivered"]["state"] == "deferred")
    deliver(LATE, flights)
    assert run.until_done() == "success", run.tasks()
    return run


def test_a_load_waits_in_the_triggerer_for_the_delivery_of_its_last_day(rest, week):
    rest.until(lambda: "No delivery yet for 2013-01-07." in week.log("bronze.flights_delivered"), seconds=30)
    arrived, loaded = (week.tasks()[task] for task in ("bronze.flights_delivered", "bronze.flights"))
    assert (arrived["state"], arrived["end_date"] < loaded["start_date"]) == ("success", True)


def test_each_notebook_runs_once_and_the_one_whose_kernel_died_twice(week):
    tries = {task: each["try_number"] for task, each in week.tasks().items() if task in LINE}
    assert tries == dict.fromkeys(LINE, 1) | {"silver.airports": 2}


def test_the_tables_hold_what_the_oracle_says(week, flights):
    oracle = json.loads((ORACLES / "day_007.json").read_text())
    clean = rows(flights.warehouse, "silver.flights")
    found = {"flights": len(clean), "cancelled": int((clean["status"] == "cancelled").sum())}
    assert found == {
        "flights": oracle["silver_rows"]["flights"],
        "cancelled": oracle["flight_states"]["dep_time_null"],
    }
    assert len(rows(flights.warehouse, "bronze.flights")) == oracle["bronze_rows"]["flights"]


def test_xcom_is_the_run_as_small_json(week, flights):
    told = week.xcom("silver.flights")
    receipt = next(each for each in receipts(flights.archive) if each.run_id == told["run_id"])
    assert (told["status"], told["interval"]) == ("succeeded", "2013-01-01..2013-01-07")
    assert told["rows"] == receipt.rows.model_dump()
    assert told["versions"] == {"silver.flights": _version(flights, "silver/flights")}


def test_the_link_leads_to_the_page_for_those_who_are_logged_in(week):
    link = week.rest.get(f"{week.path}/taskInstances/silver.flights/links")["extra_links"]["Executed notebook"]
    page = week.rest.client.get(link)
    assert (page.status_code, "silver.flights" in page.text) == (200, True)
    assert page.headers["content-security-policy"] == "sandbox allow-scripts"
    assert week.rest.client.get(link, headers={"Authorization": ""}).status_code == 401


def test_only_the_archive_is_served(week, flights):
    assert (flights.project / ".lake" / "airflow" / "passwords.json").exists()
    assert week.rest.client.get("/lake/%2e%2e/airflow/passwords.json").status_code == 404


def test_the_log_shows_each_cell_and_why_the_kernel_died(week):
    assert "Cell 2 of " in week.log("silver.flights")
    failed = week.log("silver.airports")
    assert "KernelDiedError: The kernel's process ended by itself" in failed
    assert "os.kill(os.getpid(), signal.SIGKILL)" in failed


@pytest.fixture(scope="module")
def reader(week: DagRun) -> DagRun:
    """The run that the last table of the week has triggered."""
    week.rest.until(lambda: _runs(week, "reader"))
    [run] = _runs(week, "reader")
    assert (run["run_type"], run["logical_date"]) == ("asset_triggered", None)
    reader = DagRun(week.rest, f"dags/reader/dagRuns/{quote(run['dag_run_id'])}")
    assert reader.until_done() == "success"
    return reader


def test_a_dag_that_is_scheduled_on_a_table_covers_the_days_of_its_event(reader):
    assert reader.xcom("silver.days")["interval"] == "2013-01-01..2013-01-07"


def test_what_was_done_since_a_run_was_due_is_not_done_again(reader):
    due = {"run_after": reader.rest.get(reader.path)["run_after"]}
    same = reader.rest.trigger("reader", at=due, start_date="2013-01-01", end_date="2013-01-07")
    assert same.until_done() == "success"
    assert same.xcom("silver.days")["run_id"] == reader.xcom("silver.days")["run_id"]


def test_an_asset_event_carries_run_and_version(week, flights, reader):
    [event] = week.rest.get("assets/events?source_task_id=gold.dim_date")["asset_events"]
    extra = event["extra"]
    assert (event["name"], extra["run_id"]) == ("gold.dim_date", week.xcom("gold.dim_date")["run_id"])
    assert (extra["start_date"], extra["end_date"]) == ("2013-01-01", "2013-01-07")
    assert extra["version"] == _version(flights, "gold/dim_date")


def test_a_dag_that_is_scheduled_on_deliveries_covers_the_days_that_arrived(week):
    def covered() -> set[str]:
        runs = [
            DagRun(week.rest, f"dags/arrivals/dagRuns/{quote(each['dag_run_id'])}") for each in _runs(week, "arrivals")
        ]
        return {run.xcom("silver.days")["interval"] for run in runs if run.until_done() == "success"}

    week.rest.until(lambda: covered() & {"2013-01-01..2013-01-07", "2013-01-07"})
    assert covered() in ({"2013-01-01..2013-01-06", "2013-01-07"}, {"2013-01-01..2013-01-07"})


def test_the_line_goes_on_after_refused_deliveries_and_stops_after_any_other_failure(rest: Rest):
    run = rest.trigger("failing")
    assert run.until_done() == "failed"
    assert {task: (each["state"], each["try_number"]) for task, each in run.tasks().items()} == {
        "bronze.refused": ("failed", 1),
        "silver.fed": ("success", 1),
        "bronze.broken": ("failed", 1),
        "silver.starved": ("failed", 1),
        "all_loaded": ("upstream_failed", 0),
    }


@pytest.fixture(scope="module")
def sleeper(rest: Rest, sleepy: Project) -> DagRun:
    """Its notebook sleeps, and its deadline is long over."""
    run = rest.trigger("sleeper", at={"logical_date": "2013-01-01T00:00:00Z"})
    until((sleepy.folder / "notebooks" / "asleep").exists, seconds=60)
    return run


def test_a_missed_deadline_is_told_while_the_run_goes_on(sleeper: DagRun, alerts: tuple[str, list[str]]):
    until(lambda: alerts[1], seconds=30)
    assert alerts[1] == ["bronze.a late: last succeeded 2 d ago, promised every 24 h"]
    assert sleeper.tasks()["bronze.a"]["state"] == "running"


def test_a_task_that_is_marked_as_failed_stops_its_kernel_and_finishes_its_archive(sleeper: DagRun, sleepy: Project):
    kernel = psutil.Process(int((sleepy.folder / "notebooks" / "asleep").read_text()))
    marked = {"new_state": "failed"}
    sleeper.rest.client.patch(f"/api/v2/{sleeper.path}/taskInstances/bronze.a", json=marked).raise_for_status()
    until(lambda: not kernel.is_running(), seconds=30)
    until(lambda: "cancelled" in {receipt.status for receipt in receipts(sleepy.settings.archive)})


def _version(flights, path: str) -> int:
    return DeltaTable(str(flights.warehouse / path)).version()


def _runs(week, dag: str) -> list[dict[str, object]]:
    return week.rest.get(f"dags/{dag}/dagRuns")["dag_runs"]
