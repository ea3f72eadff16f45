import gzip
from datetime import date

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow import parquet

from lakelib import context, ingest, tables
from lakelib.names import TableName
from lakelib.tables import evidence
from lakelib.tables.evidence import verify
from lakelib.tables.migrating import migrate
from tests.engines import embedded

PRICES = TableName("bronze", "prices")


@pytest.fixture
def prices(lake):
    """bronze.prices with two deliveries, 2 and 3 rows; the second brought another column."""
    lake.contract("bronze.prices", {"name": "item", "physicalType": "string"})
    deliver(lake, "item\nham\negg\n", "2013-01-01")
    deliver(lake, 'item,price\nham,1.5\negg,\n"a\nb",2\n', "2013-01-02")
    load(lake)
    return lake


def deliver(lake, text, day):
    folder = lake.project / "landing" / "prices"
    folder.mkdir(exist_ok=True)
    (folder / f"prices_{day}.csv").write_text(text)


def load(lake):
    run = lake.start("bronze.prices", "2013-01-01", "2013-01-31")
    tables.load(ingest.csv("prices/prices_{date}.csv"), run.contract, delivered=run.interval)


def problems():
    return {proof.delivered_on.day: list(proof.problems) for proof in verify(PRICES)}


def held(lake):
    return DeltaTable(str(lake.project / ".lake" / "warehouse" / "bronze" / "prices"))


def test_what_was_loaded_is_proven(prices):
    assert problems() == {1: [], 2: []}
    assert [(proof.rows, proof.landing) for proof in verify(PRICES)] == [(2, "there"), (3, "there")]


@embedded
def test_a_large_delivery_is_read_in_pieces(prices, monkeypatch):
    monkeypatch.setattr(evidence, "_MOST_ROWS", 2)
    assert problems() == {1: [], 2: []}


@embedded
def test_a_lost_row_is_found(prices):
    held(prices).delete("item = 'egg' AND _delivered_on = '2013-01-02'")
    assert problems() == {1: [], 2: ["bronze holds 2 of its rows; 3 were loaded"]}


@embedded
def test_a_lost_delivery_is_found(prices):
    held(prices).delete("_delivered_on = '2013-01-01'")
    assert problems() == {1: ["bronze holds 0 of its rows; 2 were loaded"], 2: []}


@embedded
@pytest.mark.parametrize(
    "change", [{"item": "'Ham'"}, {"item": "NULL", "price": "item"}, {"_source_row": "9"}, {"_corrupt_record": "''"}]
)
def test_a_changed_value_is_found(prices, change):
    held(prices).update(change, predicate="item = 'ham' AND _delivered_on = '2013-01-01'")
    assert problems() == {1: ["its rows in bronze are not the ones that were loaded"], 2: []}


@embedded
def test_rows_that_nobody_delivered_are_found(prices):
    held(prices).update({"_delivered_on": "'2013-01-09'"}, predicate="item = 'egg' AND _delivered_on = '2013-01-01'")
    assert problems()[1] == ["bronze holds 1 of its rows; 2 were loaded"]
    assert problems()[9] == [
        "bronze holds 1 rows of a delivery that the manifest does not have: load the interval again"
    ]


@embedded
def test_rows_are_proven_after_their_column_was_renamed(prices):
    former = [{"property": "formerNames", "value": ["item", "thing"]}]
    renamed = {"name": "article", "physicalType": "string", "customProperties": former}
    prices.contract("bronze.prices", renamed, version="2.0.0")
    migrate("bronze.prices", reason="an item is an article")
    deliver(prices, "item\ntea\n", "2013-01-03")
    load(prices)
    assert problems() == {1: [], 2: [], 3: []}
    held(prices).update({"article": "'Ham'"}, predicate="article = 'ham' AND _delivered_on = '2013-01-01'")
    assert problems()[1] == ["its rows in bronze are not the ones that were loaded"]


@embedded
def test_a_hundred_renamed_columns_take_no_longer(lake):
    names = [f"c{number}" for number in range(100)]

    lake.contract("bronze.prices", *({"name": name, "physicalType": "string"} for name in names))
    for day in ("2013-01-01", "2013-01-02"):
        deliver(lake, f"{','.join(names)}\n{','.join(names)}\n", day)
    load(lake)
    renamed = [
        {
            "name": f"new_{name}",
            "physicalType": "string",
            "customProperties": [{"property": "formerNames", "value": [name]}],
        }
        for name in names
    ]
    lake.contract("bronze.prices", *renamed, version="2.0.0")
    migrate("bronze.prices", reason="all of them are new")
    held(lake).update({"new_c7": "'other'"}, predicate="_delivered_on = '2013-01-02'")
    assert problems() == {1: [], 2: ["its rows in bronze are not the ones that were loaded"]}


@embedded
def test_rows_are_proven_after_their_column_got_another_type(lake):
    def retype(kind, version):
        lake.contract("bronze.prices", {"name": "price", "physicalType": kind}, version=version)

    def deliver(number, values):
        parquet.write_table(pa.table({"price": values}), lake.project / "landing" / f"prices_{number}.parquet")
        run = lake.start("bronze.prices", "2013-01-01", "2013-01-31")
        tables.load(ingest.parquet("prices_{date:%Y%m%d}.parquet"), run.contract, delivered=run.interval)

    retype("int", "1.0.0")
    deliver(20130101, pa.array([1, 2], pa.int32()))
    for kind, version in (("decimal(12,2)", "1.1.0"), ("double", "2.0.0")):
        retype(kind, version)
        migrate("bronze.prices", reason="prices have cents")
    deliver(20130102, pa.array([1.5]))
    assert problems() == {1: [], 2: []}
    held(lake).update({"price": "2.5"}, predicate="price = 2")
    assert problems() == {1: ["its rows in bronze are not the ones that were loaded"], 2: []}


@embedded
def test_deliveries_behind_a_uri_are_loaded_and_proven(prices):
    (prices.project / "conf" / "local.yml").write_text(f"landing: memory://{prices.project.name}\n")
    context.begin(PRICES, None).engine = prices.engine
    landing = context.current().settings.landing_path / "prices"
    landing.mkdir(parents=True)
    (landing / "prices_2013-01-01.csv").write_text("item\nham\negg\n")
    (landing / "prices_2013-01-03.csv.gz").write_bytes(gzip.compress(b"item\ntea\n"))
    load(prices)
    assert problems() == {1: [], 2: ["its file in landing is missing"], 3: []}


@embedded
def test_a_file_that_went_is_found(prices):
    (prices.project / "landing" / "prices" / "prices_2013-01-01.csv").unlink()
    assert problems() == {1: ["its file in landing is missing"], 2: []}


@embedded
def test_a_changed_file_is_found_until_it_is_loaded_as_a_delivery_of_its_own(prices):
    deliver(prices, "item\nham\n", "2013-01-01")
    assert problems() == {1: ["its file in landing is changed"], 2: []}
    load(prices)
    assert sorted((proof.landing, proof.problems, proof.delivered_on) for proof in verify(PRICES)) == [
        ("replaced", (), date(2013, 1, 1)),
        ("there", (), date(2013, 1, 1)),
        ("there", (), date(2013, 1, 2)),
    ]
