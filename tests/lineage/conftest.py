from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from pyspark.sql import DataFrame, SparkSession
from upath import UPath

from lakelib.engine import Commit, Engine
from lakelib.engine.embedded import EmbeddedEngine
from lakelib.lineage import Lineage, Origin, trace, watch
from lakelib.lineage.asking import Asked
from lakelib.lineage.plan import Plan, View
from lakelib.lineage.relations import resolve
from lakelib.lineage.resolving import lineage_of
from lakelib.lineage.sql import parse_query
from lakelib.lineage.views import views_of
from lakelib.names import TableName

SCHEMAS = {
    "silver.orders": "id int, customer int, amount double, placed date, address struct<city:string,zip:string>, "
    "items array<struct<sku:string,price:double>>, tags map<string,string>",
    "silver.customers": "id int, name string, email string, country string",
}


@dataclass(frozen=True)
class Shop:
    """Two tables without rows, read as `tables.read` reads them."""

    session: SparkSession
    warehouse: UPath

    def read(self, name: str, version: int = 0) -> DataFrame:
        path = TableName.parse(name).path(self.warehouse)
        return self.session.read.format("delta").option("versionAsOf", version).load(path)

    @property
    def orders(self) -> DataFrame:
        return self.read("silver.orders")

    @property
    def customers(self) -> DataFrame:
        return self.read("silver.customers")

    def make_views(self) -> None:
        self.orders.createOrReplaceTempView("orders")
        self.customers.createOrReplaceTempView("customers")

    def trace(self, df: DataFrame, plans: Path | None = None) -> Lineage:
        return trace(df, name=table_of, plans=plans)

    def begin_anew(self) -> None:
        """Forgets the views, as the process of another run has none."""
        cast(dict[str, View], views_of(self.session)).clear()

    def trace_text(self, text: str) -> Lineage:
        """Of a query that this engine does not read."""
        plan = Plan(Asked(self.session, table_of), resolve, views_of(self.session))
        return lineage_of(plan.scope(parse_query(text).with_relations.root), plan)


def table_of(path: str) -> str:
    return ".".join(Path(path).parts[-2:])


def make_shop(engine: Engine, warehouse: UPath) -> Shop:
    watch(engine.session)
    for name, schema in SCHEMAS.items():
        columns = engine.session.createDataFrame([], schema).schema
        engine.create(TableName.parse(name).path(warehouse), columns, commit=Commit("{}", "make"))
    return Shop(engine.session, warehouse)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    engine = EmbeddedEngine()
    yield make_shop(engine, UPath(tmp_path_factory.mktemp("warehouse")))
    engine.close()


def short(origin: Origin) -> str:
    """`orders.address.city`"""
    return f"{origin.source.removeprefix('silver.')}.{origin.column}"


def direct(lineage: Lineage) -> Mapping[str, set[str]]:
    """Of each column its origins: a bare name is one that flows as it is, others say how before it."""
    return {name: set(map(flow, origins.items())) for name, origins in lineage.columns.items()}


def flow(found: tuple[Origin, str]) -> str:
    origin, how = found
    return short(origin) if how == "identity" else f"{how} {short(origin)}"


def rows(lineage: Lineage) -> set[str]:
    return {f"{how} {short(origin)}" for origin, how in lineage.rows}


def decided(lineage: Lineage) -> Mapping[str, set[str]]:
    return {name: {f"{how} {short(origin)}" for origin, how in found} for name, found in lineage.influences.items()}


Build = Callable[[Shop], DataFrame]
