"""Sources with types, and fetched ones, through the gate into bronze."""

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from lakelib import ingest, tables
from lakelib.errors import DeliveryRefusedError
from tests.engines import embedded

AT = datetime(2013, 1, 3, 4, 5, 6, 789000, tzinfo=UTC)
EVERYTHING = {
    "n": ("bigint", pa.array([2**53 + 1])),
    "i": ("int", pa.array([7], pa.int64())),
    "d": ("decimal(9,2)", pa.array([Decimal("1.10")])),
    "r": ("double", pa.array([0.1])),
    "t": ("string", pa.array(["x"])),
    "b": ("boolean", pa.array([True])),
    "day": ("date", pa.array([date(2013, 1, 3)])),
    "at": ("timestamp", pa.array([AT], pa.timestamp("ns", tz="America/New_York"))),
    "raw": ("binary", pa.array([b"\xff"])),
    "tags": ("array<string>", pa.array([["x", None]])),
}


def test_types_are_kept_into_bronze_with_those_of_unknown_columns(lake):
    lake.contract("bronze.things", *({"name": name, "physicalType": kind} for name, (kind, _) in EVERYTHING.items()))
    rows = {name: values for name, (_, values) in EVERYTHING.items()} | {"extra": pa.array([5], pa.uint16())}
    parquet.write_table(pa.table(rows), lake.project / "landing/things_2013-01-01.parquet")
    run = lake.start("bronze.things")
    tables.load(ingest.parquet("things_{date}.parquet"), run.contract, delivered=run.interval)
    (loaded,) = lake.rows("bronze.things", *EVERYTHING, "extra", "_source_row")
    assert loaded == (
        *(2**53 + 1, 7, Decimal("1.10"), 0.1, "x", True, date(2013, 1, 3)),
        *(AT.replace(tzinfo=None), b"\xff", ["x", None], 5, 1),
    )


@embedded
def test_a_database_is_fetched_and_loaded_once(lake):
    lake.contract("bronze.items", {"name": "id", "physicalType": "bigint"})
    with sqlite3.connect(lake.project / "crm.sqlite") as connection:
        connection.execute("CREATE TABLE items (id INTEGER)")
        connection.execute("INSERT INTO items VALUES (1), (2)")
    connection.close()
    url = f"sqlite:///{lake.project / 'crm.sqlite'}"
    for _ in range(2):
        run = lake.start("bronze.items")
        source = ingest.database("crm/items_{date}.parquet", url=url, table="items")
        tables.load(source, run.contract, delivered=run.interval)
    assert lake.rows("bronze.items", "id", "_delivered_on") == [(1, date(2013, 1, 1)), (2, date(2013, 1, 1))]


@embedded
def test_a_type_that_changed_is_refused(lake):
    lake.contract("bronze.planes", {"name": "tailnum", "physicalType": "string"})
    with sqlite3.connect(lake.project / "landing/planes_2013-01-01.sqlite") as connection:
        connection.execute("CREATE TABLE planes (tailnum INTEGER)")
        connection.execute("INSERT INTO planes VALUES (1)")
    connection.close()
    run = lake.start("bronze.planes")
    with pytest.raises(DeliveryRefusedError, match="string was expected in the column tailnum; found bigint"):
        tables.load(ingest.sqlite("planes_{date}.sqlite", table="planes"), run.contract, delivered=run.interval)
