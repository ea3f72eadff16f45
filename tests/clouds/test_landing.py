"""A landing folder in each cloud as its user has it: in conf, by `lake run` and `lake verify` (`make test-clouds`)."""

import gzip
import json
from typing import Final

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from lakelib import ingest
from lakelib.drivers import opened
from lakelib.intervals import Interval
from lakelib.settings import StorageSettings
from tests.clouds.lakes import FLIGHTS, Lake, flights
from tests.clouds.store import BUCKET
from tests.ingest.servers import open_shop
from tests.runner.projects import DATES

ORDERS: Final = """
tables.load(
    ingest.api("shop/orders_{{date}}.zip", url="{url}", records="data.items", parameters={{"day": "{{date}}"}},
               pages=ingest.ByPage("page")),
    run.contract, delivered=run.interval)
"""


def many_flights() -> bytes:
    """Four megabytes of them, a day's over and over."""
    header, rows = gzip.decompress(flights(3)).split(b"\n", 1)
    return header + b"\n" + rows * 45


def test_deliveries_are_loaded_once_and_proven(cloud: Lake) -> None:
    for day, content in {1: flights(1), 2: flights(2), 3: flights(3)[:9000]}.items():
        cloud.store.put(FLIGHTS.format(day), content)
    cloud.store.put("flights/", b"")  # as consoles make a folder
    first = cloud.run("bronze.flights", "01", "03")
    assert (first["status"], first["error"]["kind"], first["rows"]["published"]) == (
        "failed",
        "DeliveryRefusedError",
        1865,
    )
    assert "CORRUPT_GZIP: flights/flights_2013-01-03.csv.gz" in first["error"]["message"]
    cloud.store.put(FLIGHTS.format(3), flights(3))
    assert cloud.run("bronze.flights", "01", "03")["rows"]["published"] == 989
    again = cloud.run("bronze.flights", "01", "03")
    assert (again["status"], again["rows"]["published"]) == ("succeeded", 0)
    assert cloud.sources("bronze.flights") == {
        FLIGHTS.format(day): rows for day, rows in {1: 842, 2: 1023, 3: 989}.items()
    }
    proven = cloud("verify", "bronze")
    assert proven.returncode == 0, proven.stdout + proven.stderr


def test_a_replaced_delivery_is_loaded_and_a_changed_one_is_no_proof(cloud: Lake) -> None:
    text = gzip.decompress(flights(1))
    cloud.store.put("flights/flights_2013-01-01.csv", text)
    cloud.run("bronze.flights", "01")
    cloud.store.put("flights/flights_2013-01-01.csv", text[: text.index(b"\n", 5000) + 1])
    assert 0 < cloud.run("bronze.flights", "01")["rows"]["published"] < 842
    assert cloud("verify", "bronze").returncode == 0
    cloud.store.put("flights/flights_2013-01-01.csv", b"of nobody")
    proven = cloud("verify", "bronze")
    assert (proven.returncode, "changed" in proven.stdout) == (1, True)


def test_what_arrives_is_seen_where_it_was_looked_before(cloud: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store = cloud.store
    for name, value in store.variables.items():
        monkeypatch.setenv(name, value)
    landing = opened(store.uri(), StorageSettings(options=store.options).resolved)
    source = ingest.csv("prices_{date}.csv")
    for number in (1, 2):
        store.put("prices_2013-01-01.csv", b"item\n" * number)
        store.put(f"prices_2013-01-0{number + 1}.csv", b"item\n")
        found = ingest.find_deliveries(source, landing=landing, interval=Interval.parse("2013-01-01", "2013-01-31"))
        assert [each.size_bytes for each in found] == [5 * number, *[5] * number]


def test_a_delivery_without_rows_is_held_until_it_is_released(cloud: Lake) -> None:
    name = "flights/flights_2013-01-01.csv"
    cloud.store.put(name, gzip.decompress(flights(1)).split(b"\n", 1)[0] + b"\n")
    assert "held, NO_ROWS" in cloud.run("bronze.flights", "01")["error"]["message"]
    assert cloud("release", name, "--reason", "none flew").returncode == 0
    assert cloud.run("bronze.flights", "01")["status"] == "succeeded"


@pytest.mark.parametrize("passing", [0, 6_000_000], ids=["at_once", "while_parsed"])
def test_a_store_that_goes_away_is_transient_and_a_rerun_finishes(cloud: Lake, passing: int) -> None:
    cloud.store.put(FLIGHTS.format(1), flights(1))
    cloud.run("bronze.flights", "01")
    cloud.store.put("flights/flights_2013-01-02.csv", many_flights())
    cloud.store.gate.left = passing
    away = cloud.run("bronze.flights", "01", "02")
    assert (away["error"]["kind"], away["error"]["is_transient"]) == ("SourceAwayError", True), away["error"]
    assert cloud.sources("bronze.flights") == {FLIGHTS.format(1): 842}
    cloud.store.gate.left = None
    assert cloud.run("bronze.flights", "01", "02")["rows"]["published"] == 45 * 989
    assert cloud.sources("bronze.flights") == {"flights/flights_2013-01-02.csv": 45 * 989, FLIGHTS.format(1): 842}


@pytest.mark.parametrize("mistake", ["secret", "bucket"])
def test_what_is_set_wrong_is_told_and_not_tried_again(cloud: Lake, mistake: str) -> None:
    variables, told = cloud.store.mistaken[mistake]
    cloud.store.put(FLIGHTS.format(1), flights(1))
    run = cloud.run("bronze.flights", "01", LAKE_RETRIES="2", **variables)
    assert (run["error"]["kind"], run["attempt"]) == ("DataError", 1), run["error"]
    assert told in run["error"]["message"]
    lines = [line for name, value in variables.items() if name != "LAKE_LANDING" for line in value.splitlines()]
    assert [line for line in lines if line in json.dumps(run)] == []


def orders(cloud: Lake, url: str) -> None:
    """A notebook that fetches them."""
    cloud.project.contract("bronze.orders", name="id")
    imports = "from datetime import date\nfrom lakelib import ingest, start, tables"
    begin = 'run = start("bronze.orders", start_date=start_date, end_date=end_date)'
    cells = [new_code_cell(imports), new_code_cell(DATES, metadata={"tags": ["parameters"]})]
    cells.append(new_code_cell(begin + ORDERS.format(url=url)))
    cloud.project.file("bronze.orders", [new_markdown_cell("# Orders"), *cells])


def test_the_pages_of_an_api_are_kept_in_it(cloud: Lake) -> None:
    store = cloud.store
    with open_shop() as shop:
        orders(cloud, shop.url)
        store.gate.left = store.some_pages
        away = cloud.run("bronze.orders", "01")
        assert away["error"]["kind"] == "SourceAwayError", away["error"]
        assert [name for name in store.names() if name.endswith(".pages/000001.json")]
        store.gate.left = None
        assert cloud.run("bronze.orders", "01", "02")["rows"]["published"] == 14
        asked = len(shop.asked)
        assert cloud.run("bronze.orders", "01", "02")["rows"]["published"] == 0
        assert len(shop.asked) == asked, "what is in landing is not fetched again"
    assert store.names() == ["shop/orders_2013-01-01.zip", "shop/orders_2013-01-02.zip"]
    assert cloud("verify", "bronze.orders").returncode == 0


def test_a_bucket_is_never_made(cloud: Lake) -> None:
    variables, _ = cloud.store.mistaken["bucket"]
    with open_shop() as shop:
        orders(cloud, shop.url)
        assert cloud.run("bronze.orders", "01", **variables)["error"]["kind"] == "DataError"
    assert cloud.store.buckets() == [BUCKET]
