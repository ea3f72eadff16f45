"""What DataHub's plugin for Airflow tells of a task's run, beside what we tell of it.

`make test-airflow-plugin` fetches the plugin and runs this.
"""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.utils.types import DagRunType
from datahub.emitter.rest_emitter import DataHubRestEmitter
from datahub_airflow_plugin._config import get_lineage_config
from datahub_airflow_plugin.client.airflow_generator import AirflowGenerator

from lakelib.catalog import Lake
from lakelib.catalog.emitting import emit
from tests.catalog.conftest import to_server
from tests.catalog.datahub_double import DataHubDouble
from tests.catalog.test_airflow_urns import TASK, told
from tests.runner.projects import Project


def told_by_plugin(double: DataHubDouble) -> None:
    """As its listener does when a task begins and ends."""
    config = get_lineage_config()
    with DAG(TASK["dag_id"], schedule=None) as dag:
        task = EmptyOperator(task_id=TASK["task_id"])
    began = datetime(2013, 1, 2, tzinfo=UTC)
    run = SimpleNamespace(run_id=TASK["run_id"], run_type=DagRunType.SCHEDULED)
    instance = SimpleNamespace(
        task=task, task_id=task.task_id, try_number=1, start_date=began, end_date=began, state="success"
    )
    with DataHubRestEmitter(double.url) as emitter:
        AirflowGenerator.generate_dataflow(config, dag).emit(emitter)
        job = AirflowGenerator.generate_datajob(config.cluster, task, dag, config=config)
        job.emit(emitter)
        AirflowGenerator.run_datajob(emitter, instance, dag, run, config, datajob=job)
        AirflowGenerator.complete_datajob(emitter, config.cluster, instance, dag, run, datajob=job, config=config)


def entities(double: DataHubDouble) -> dict[str, set[str]]:
    """Of flows, jobs and instances of Airflow, each with the aspects that are told of it."""
    found: dict[str, set[str]] = {}
    for each in double.taken:
        kind = each["entityUrn"].split(":")[2]
        if kind in ("dataFlow", "dataJob", "dataProcessInstance"):
            found.setdefault(each["entityUrn"], set()).add(each["aspectName"])
    return found


@pytest.mark.filterwarnings("ignore")
def test_one_job_and_one_run(lake: Lake, shop: Project, double: DataHubDouble) -> None:
    for table, run in lake.newest.items():
        if table == "silver.orders":
            run.path.write_text(json.dumps(json.loads(run.path.read_text()) | {"airflow": TASK}))
        else:
            run.path.unlink()
    emit(to_server(shop, double))
    ours, relations = entities(double), told(double, "dataProcessInstanceRelationships")
    double.taken.clear()
    told_by_plugin(double)
    theirs = entities(double)
    assert sorted(urn.split(":")[2] for urn in ours) == ["dataFlow", "dataJob", "dataProcessInstance"]
    assert set(theirs) == set(ours)
    assert {urn: each["parentTemplate"] for urn, each in relations.items()} == {
        urn: each["parentTemplate"] for urn, each in told(double, "dataProcessInstanceRelationships").items()
    }
