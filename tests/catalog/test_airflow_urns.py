"""What a task of Airflow is called: as DataHub's plugin for it calls it, by the same classes of DataHub."""

import json
from typing import Any

import pytest
from datahub.api.entities.datajob import DataJob
from datahub.api.entities.dataprocess.dataprocess_instance import DataProcessInstance
from datahub.utilities.urns.data_flow_urn import DataFlowUrn

from lakelib.catalog import Lake
from lakelib.catalog.emitting import emit
from lakelib.runner.provenance import airflow_task
from tests.catalog.conftest import to_server
from tests.catalog.datahub_double import DataHubDouble
from tests.runner.projects import Project

TASK = {"dag_id": "lake", "task_id": "silver.orders", "run_id": "scheduled__2013-01-02T00:00:00+00:00"}


def of_plugin() -> tuple[str, str]:
    """`AirflowGenerator.generate_datajob` and `run_datajob` of acryl-datahub-airflow-plugin 1.7."""
    flow = DataFlowUrn.create_from_ids(orchestrator="airflow", env="prod", flow_id=TASK["dag_id"])
    job = DataJob(id=TASK["task_id"], flow_urn=flow)
    instance = DataProcessInstance.from_datajob(job, id=f"{TASK['dag_id']}_{TASK['task_id']}_{TASK['run_id']}")
    return str(job.urn), str(instance.urn)


def test_a_run_of_airflow_is_the_instance_that_the_plugin_makes(
    lake: Lake, shop: Project, double: DataHubDouble
) -> None:
    path = lake.newest["silver.orders"].path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"airflow": TASK}))
    emit(to_server(shop, double))
    job, instance = of_plugin()
    relations = told(double, "dataProcessInstanceRelationships")
    assert relations[instance]["parentTemplate"] == job
    assert told(double, "dataJobInfo")[job]["flowUrn"] == "urn:li:dataFlow:(airflow,lake,prod)"
    assert len(relations) == len(lake.receipts)
    assert {each["parentTemplate"] for urn, each in relations.items() if urn != instance} == {
        f"urn:li:dataJob:(urn:li:dataFlow:(lakelib,lake,PROD),{table})" for table in ("bronze.orders", "gold.totals")
    }


def told(double: DataHubDouble, aspect: str) -> dict[str, Any]:
    return {each["entityUrn"]: each["aspect"]["json"] for each in double.taken if each["aspectName"] == aspect}


def test_a_process_knows_the_task_it_belongs_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert airflow_task() == {}
    for name, value in (("DAG_ID", "lake"), ("TASK_ID", "silver.orders"), ("DAG_RUN_ID", TASK["run_id"])):
        monkeypatch.setenv(f"AIRFLOW_CTX_{name}", value)
    assert airflow_task() == TASK
