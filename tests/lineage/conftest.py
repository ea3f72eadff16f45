from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from upath import UPath

from lakelib.engine import Commit, Engine
from lakelib.engine.embedded import EmbeddedEngine
from lakelib.lineage import Lineage, Origin, trace, watch
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

    def trace(self, df: DataFrame) -> Lineage:
        return trace(df, name=lambda path: ".".join(Path(path).parts[-2:]))


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
    return {name: {short(origin) for origin in origins} for name, origins in lineage.columns.items()}


def rows(lineage: Lineage) -> set[str]:
    return {f"{how} {short(origin)}" for origin, how in lineage.rows}


def decided(lineage: Lineage) -> Mapping[str, set[str]]:
    return {name: {f"{how} {short(origin)}" for origin, how in found} for name, found in lineage.influences.items()}


Build = Callable[[Shop], DataFrame]
