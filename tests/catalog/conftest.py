import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from lakelib.catalog import Lake
from lakelib.catalog.emitting import emit
from lakelib.intervals import Interval
from lakelib.settings import CatalogSettings, Settings, load_settings
from tests.catalog.datahub_double import DataHubDouble, datahub_double
from tests.runner.projects import DATES, Project

HEAD = {"apiVersion": "v3.1.0", "kind": "DataContract", "version": "1.0.0", "status": "active", "domain": "sales"}
ORDERS = "order_id,customer,amount\n1,ann,5\n2,bob,-1\n3,ann,7\n"


def contract(project: Project, table: str, *columns: Mapping[str, Any], **more: Any) -> None:
    layer, name = table.split(".")
    schema = {"name": name, "description": f"Rows of {table}.", "properties": list(columns)}
    told = HEAD | {"id": table, "name": table, "team": {"name": "sales-data"}, "schema": [schema]} | more
    path = project.folder / "contracts" / layer / f"{name}.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(told))


def column(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "physicalType": kind} | more


def key(name: str, kind: str = "string") -> dict[str, Any]:
    return column(name, kind, primaryKey=True, primaryKeyPosition=1, required=True)


def notebook(project: Project, table: str, *code: str) -> None:
    imports = (
        "from datetime import date\nfrom pyspark.sql import functions as F\nfrom lakelib import ingest, start, tables"
    )
    begin = f'run = start("{table}", start_date=start_date, end_date=end_date)'
    parameters = new_code_cell(DATES, metadata={"tags": ["parameters"]})
    cells = [new_code_cell(source) for source in (begin, *code)]
    project.file(table, [new_markdown_cell(f"# {table}"), new_code_cell(imports), parameters, *cells])


def write_shop(project: Project) -> None:
    """bronze.orders (one delivery), silver.orders (one row is rejected), gold.totals."""
    delivered = project.folder / "data" / "landing"
    delivered.mkdir(parents=True)
    (delivered / "orders_2013-01-01.csv").write_text(ORDERS)
    contract(project, "bronze.orders", column("order_id"), column("customer"), column("amount"))
    contract(
        project,
        "silver.orders",
        key("order_id", "int"),
        column("customer", classification="personal", description="who ordered"),
        column("amount", "double", logicalType="number", logicalTypeOptions={"minimum": 0}),
        slaProperties=[
            {"property": "freshness", "value": 1, "unit": "d"},
            {"property": "criticality", "value": "high"},
        ],
    )
    contract(
        project, "gold.totals", key("customer"), column("total", "double"), column("address", "struct<city:string>")
    )
    notebook(
        project, "bronze.orders", 'tables.load(ingest.csv("orders_{date}.csv"), run.contract, delivered=run.interval)'
    )
    notebook(
        project,
        "silver.orders",
        'orders = tables.read("bronze.orders", delivered=run.interval)\n'
        'typed = orders.select(F.col("order_id").cast("int"), "customer", F.col("amount").cast("double"))',
        "tables.merge(typed, run.contract)",
    )
    notebook(
        project,
        "gold.totals",
        'orders = tables.read("silver.orders").where("amount > 0")\n'
        'place = F.struct(F.upper("customer").alias("city"))\n'
        'totals = orders.groupBy("customer").agg(F.sum("amount").alias("total")).withColumn("address", place)',
        "tables.overwrite(totals, run.contract)",
    )


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The shop after a run of all its notebooks; tests change a copy."""
    project = Project.create(tmp_path_factory.mktemp("shop") / "project")
    write_shop(project)
    results = project.run(interval=Interval.parse("2013-01-01", "2013-01-01"))
    assert {result.status for result in results.values()} == {"succeeded"}, results
    return project


@pytest.fixture
def shop(executed: Project, tmp_path: Path) -> Project:
    return Project(Path(shutil.copytree(executed.folder, tmp_path / "project")))


@pytest.fixture
def lake(shop: Project) -> Lake:
    return Lake(load_settings(shop.folder))


@pytest.fixture
def double() -> Iterator[DataHubDouble]:
    with datahub_double() as started:
        yield started


@pytest.fixture(scope="session")
def emitted(executed: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataHubDouble]:
    """A server that was told of the shop once."""
    copy = Project(Path(shutil.copytree(executed.folder, tmp_path_factory.mktemp("emitted") / "project")))
    with datahub_double() as started:
        emit(to_server(copy, started))
        yield started


def to_server(shop: Project, double: DataHubDouble, **more: Any) -> Settings:
    return load_settings(shop.folder, catalog=CatalogSettings(sinks=("server",), server=double.url, **more))


def edges(lake: Lake, table: str, hows: Sequence[str] = ()) -> set[str]:
    """`column <- source.column (how)`"""
    return {
        f"{edge.target.column} <- {edge.source} ({edge.how})"
        for edge in lake.graph.edges
        if edge.target.table == table and edge.how != "read" and (not hows or edge.how in hows)
    }
