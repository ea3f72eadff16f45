"""The DAGs that follow from notebooks, contracts and conf/; nothing is run."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from lakelib.airflow import NotebookOperator, asset, dags
from lakelib.airflow.project import blueprints_file
from lakelib.errors import SettingsError
from lakelib.runner import find_notebooks, upstream_graph
from tests.runner.projects import Project
from tests.runner.watched import promise_a_day

ROOT = Path(__file__).parents[2]
PARSE = """
import socket, sys
from pathlib import Path

def refuse(*_): raise AssertionError("parsing asked the network")

socket.socket.connect = refuse
from lakelib.airflow import dags, landed

dags(Path(sys.argv[1]))
landed(sys.argv[1], "a/a_{date}.csv")
print(*sorted(set(sys.modules) & {"pyspark", "pysail", "deltalake", "pandas", "lakelib.engine"}))
"""


@pytest.fixture(scope="module")
def lake() -> DAG:
    return dags(ROOT)[0]


@pytest.fixture
def chain(project: Project) -> Project:
    project.notebook("bronze.a", "ingest.csv('a/a_{date}.csv')")
    project.notebook("silver.b", reads=["bronze.a"])
    project.notebook("gold.c", reads=["silver.b"])
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def test_tasks_are_notebooks_and_edges_what_they_read(lake):
    graph = upstream_graph(find_notebooks(ROOT))
    assert {task.task_id: task.upstream_task_ids for task in lake.tasks if task.task_id != "all_loaded"} == graph


def test_groups_are_layers(lake):
    assert {task.task_group.group_id for task in lake.tasks if task.task_id in ("bronze.planes", "gold.dim_date")} == {
        "bronze",
        "gold",
    }


def test_owner_and_domain_come_from_contracts(lake):
    assert lake.get_task("silver.flights").owner == "flight-data"
    assert lake.tags == {"airline-operations", "lake"}


def test_a_task_updates_its_table_s_asset(lake):
    assert lake.get_task("silver.flights").outlets == [asset("silver.flights")]
    assert asset("bronze.airports") in lake.get_task("silver.airports").inlets


def test_airflow_can_store_what_was_made(lake):
    stored = DagSerialization.from_dict(DagSerialization.to_dict(lake))
    assert stored.get_task("silver.flights").operator_extra_links[0].name == "Executed notebook"


def test_conf_says_schedule_retries_and_pool(chain):
    conf = "airflow: {dag: mine, schedule: '0 6 * * *', time_zone: Europe/Paris, retries: 5, pool: nightly}"
    (chain.folder / "conf" / "local.yml").write_text(conf)
    daily, larger = dags(chain.folder)
    task = daily.get_task("gold.c")
    assert (daily.dag_id, larger.dag_id, daily.timetable.expression) == ("mine", "mine_backfill", "0 6 * * *")
    assert (str(daily.timetable.timezone), task.retries, task.pool) == ("Europe/Paris", 5, "nightly")


def test_only_what_reads_a_load_may_go_on_after_a_failure(chain):
    made = dags(chain.folder)[0]
    assert {name: made.get_task(name).trigger_rule for name in ("bronze.a", "silver.b", "gold.c")} == {
        "bronze.a": "all_success",
        "silver.b": "all_done",
        "gold.c": "all_success",
    }


def test_a_load_can_wait_for_its_deliveries(chain):
    (chain.folder / "conf" / "local.yml").write_text("airflow: {wait_for: [bronze.a]}")
    made = dags(chain.folder)[0]
    assert made.get_task("bronze.a").upstream_task_ids == {"bronze.a_delivered"}
    assert made.get_task("bronze.a_delivered").patterns == ["a/a_{date}.csv"]


def test_waiting_for_what_nobody_loads_is_refused(chain):
    (chain.folder / "conf" / "local.yml").write_text("airflow: {wait_for: [bronze.b]}")
    with pytest.raises(SettingsError, match=r"bronze\.b; no notebook loads it"):
        dags(chain.folder)


def test_a_promised_age_is_a_deadline_where_somebody_is_to_be_told(chain):
    promise_a_day(chain, "silver.b")
    assert dags(chain.folder)[0].deadline == []
    (chain.folder / "conf" / "local.yml").write_text("alerts: ['json://localhost']")
    made, larger = dags(chain.folder)
    assert ([each.interval for each in made.deadline], larger.deadline) == ([timedelta(days=1)], None)
    [stored] = DagSerialization.to_dict(made)["dag"]["deadline"]
    assert stored["reference"] == {"reference_type": "DagRunLogicalDateDeadline"}


def test_a_new_notebook_is_a_new_task(chain):
    dags(chain.folder)
    chain.notebook("gold.d", reads=["silver.b"])
    assert dags(chain.folder)[0].get_task("gold.d").upstream_task_ids == {"silver.b"}


def test_only_what_changed_is_read_again(chain):
    dags(chain.folder)
    kept = blueprints_file(chain.settings)
    kept.write_text(kept.read_text().replace("Title of", "Kept of"))
    chain.notebook("silver.b", "1 + 1", reads=["bronze.a"])
    chain.contract("gold.c", description="another one")
    told = {task.task_id: task.doc_md for task in dags(chain.folder)[0].tasks if task.task_id != "all_loaded"}
    assert told == {"bronze.a": "Kept of bronze.a", "silver.b": "Title of silver.b", "gold.c": "Title of gold.c"}


def test_what_was_kept_half_is_read_again(chain):
    kept = blueprints_file(chain.settings)
    dags(chain.folder)
    kept.write_text("{")
    assert dags(chain.folder)[0].get_task("gold.c").doc_md == "Title of gold.c"


def test_a_table_that_a_contract_refers_to_is_waited_for(chain):
    chain.notebook("silver.other")
    chain.contract("silver.b", relationships=[{"to": "silver.other.name"}])
    assert dags(chain.folder)[0].get_task("silver.b").upstream_task_ids == {"bronze.a", "silver.other"}


def test_days_can_be_given_to_each_run(chain):
    assert {name: param.value for name, param in dags(chain.folder)[1].params.items()} == {
        "start_date": None,
        "end_date": None,
    }


def test_parsing_loads_no_engine_and_asks_no_network(chain):
    command = [sys.executable, "-c", PARSE, str(chain.folder)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_days_and_parameters_are_templates(project):
    operator = NotebookOperator(
        project=project.folder, table="bronze.a", first_day="{{ day }}", parameters={"limit": "{{ limit }}"}
    )
    operator.render_template_fields({"day": "2013-01-01", "limit": 3})
    assert (operator.first_day, operator.parameters) == ("2013-01-01", {"limit": "3"})
