"""URNs: what each thing is called in DataHub, the same in every run and on every machine."""

import hashlib
from dataclasses import dataclass

from datahub.emitter import mce_builder as made
from datahub.utilities.urn_encoder import UrnEncoder

from lakelib.catalog.runs import AirflowTask
from lakelib.names import LAYERS
from lakelib.settings import CatalogSettings

__all__ = ["PLATFORM", "Urns"]

PLATFORM = "delta-lake"


@dataclass(frozen=True)
class Urns:
    settings: CatalogSettings

    def dataset(self, name: str) -> str:
        """A table of the lake, or what its deliveries come from."""
        is_table = name.partition(".")[0] in (*LAYERS, "quarantine") and "/" not in name
        return made.make_dataset_urn(PLATFORM if is_table else "file", name, self.settings.environment)

    def field(self, table: str, column: str) -> str:
        return made.make_schema_field_urn(self.dataset(table), column)

    @property
    def flow(self) -> str:
        return made.make_data_flow_urn("lakelib", self.settings.flow, self.settings.environment)

    def job(self, table: str) -> str:
        """The notebook that writes a table."""
        return made.make_data_job_urn_with_flow(self.flow, table)

    def instance(self, run_id: str) -> str:
        return made.make_data_process_instance_urn(run_id)

    def airflow_flow(self, task: AirflowTask) -> str:
        """The DAG as DataHub's plugin for Airflow names it, and so the two below: its clusters are in small letters."""
        return made.make_data_flow_urn("airflow", task.dag_id, self._cluster)

    def airflow_job(self, task: AirflowTask) -> str:
        return made.make_data_job_urn_with_flow(self.airflow_flow(task), task.task_id)

    def airflow_instance(self, task: AirflowTask) -> str:
        """The task in one DAG run, with all its tries."""
        name = f"{task.dag_id}_{task.task_id}_{task.run_id}"
        key = {"cluster": self._cluster, "orchestrator": "airflow", "id": name}
        return made.make_data_process_instance_urn(made.datahub_guid(key))

    @property
    def _cluster(self) -> str:
        return self.settings.environment.lower()

    def container(self, layer: str = "") -> str:
        """A layer, or the lake that the layers are in."""
        key = {"platform": PLATFORM, "env": self.settings.environment, "flow": self.settings.flow, "layer": layer}
        return made.make_container_urn(made.datahub_guid(key))

    def assertion(self, table: str, rule: str) -> str:
        """The rule is told from others of its table by its title, whatever else its contract changes."""
        key = "\n".join((self.settings.environment, self.settings.flow, table, rule))
        return made.make_assertion_urn(hashlib.sha256(key.encode()).hexdigest()[:32])

    def domain(self, name: str) -> str:
        return made.make_domain_urn(UrnEncoder.encode_string(name))

    def owner(self, name: str) -> str:
        return made.make_group_urn(name)

    def tag(self, name: str) -> str:
        return made.make_tag_urn(UrnEncoder.encode_string(name))

    def term(self, classification: str) -> str:
        return made.make_term_urn(UrnEncoder.encode_string(f"classification.{classification}"))

    def property(self, name: str) -> str:
        return f"urn:li:structuredProperty:lakelib.{name}"
