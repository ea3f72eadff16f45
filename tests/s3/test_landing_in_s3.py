"""A landing folder in S3 as its user has it: in conf, by `lake run` and `lake verify` (`make test-s3`)."""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell
from upath import UPath

from lakelib import ingest
from lakelib.intervals import Interval
from tests.ingest.servers import open_shop
from tests.lake_command import lake
from tests.runner.projects import DATES, Project
from tests.s3.store import BUCKET, Store, s3_store

ROOT: Final = Path(__file__).parents[2]
FLIGHTS: Final = "flights/flights_2013-01-0{}.csv.gz"
ORDERS: Final = """
tables.load(
    ingest.api("shop/orders_{{date}}.zip", url="{url}", records="data.items", parameters={{"day": "{{date}}"}},
               pages=ingest.ByPage("page")),
    run.contract, delivered=run.interval)
"""

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def opened() -> Iterator[Store]:
    with s3_store() as store:
        yield store


@dataclass
class Lake:
    """A project with its landing folder in the store."""

    project: Project
    store: Store
    variables: dict[str, str]

    def __call__(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        variables = os.environ | {"LAKE_PROJECT": str(self.project.folder)} | self.variables | env
        return lake(*arguments, cwd=self.project.folder, env=variables)

    def run(self, table: str, start: str, end: str | None = None, **env: str) -> dict[str, Any]:
        """The one run, as the command tells it."""
        days = ("--from", f"2013-01-{start}", "--to", f"2013-01-{end or start}")
        done = self("run", table, *days, "--json", **env)
        assert done.stdout, done.stderr
        (told,) = json.loads(done.stdout)
        return dict(told)

    def sources(self, table: str) -> dict[str, int]:
        """How many rows of each file the table holds."""
        query = f"SELECT _source_file, count(*) AS n FROM {table} GROUP BY _source_file"
        return {row["_source_file"]: row["n"] for row in json.loads(self("sql", query, "--json").stdout)}


@pytest.fixture
def s3(opened: Store, tmp_path: Path) -> Iterator[Lake]:
    hasty = {"connect_timeout": 1, "read_timeout": 2, "retries": {"max_attempts": 1}}
    references = {"endpoint_url": "env:S3_ENDPOINT", "key": "env:S3_KEY", "secret": "env:S3_SECRET"}
    options = references | {"config_kwargs": hasty}
    conf = {"landing": f"s3://{BUCKET}/lake", "storage": {"options": options}, "retry_seconds": 0.01}
    project = Project.create(tmp_path / "project", yaml.safe_dump(conf))
    for file in ("contracts/bronze/flights.yml", "notebooks/bronze/flights.ipynb"):
        (project.folder / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, project.folder / file)
    yield Lake(project, opened, {"S3_ENDPOINT": opened.url, "S3_KEY": opened.key, "S3_SECRET": opened.secret})
    opened.gate.left = None
    opened.empty()
    assert [
        path for path in tmp_path.rglob("*") if path.is_file() and opened.secret.encode() in path.read_bytes()
    ] == []


def flights(day: int) -> bytes:
    return (ROOT / "data/landing" / FLIGHTS.format(day)).read_bytes()


def many_flights() -> bytes:
    """Four megabytes of them, a day's over and over."""
    header, rows = gzip.decompress(flights(3)).split(b"\n", 1)
    return header + b"\n" + rows * 45


def test_deliveries_are_loaded_once_and_proven(s3: Lake) -> None:
    for day, content in {1: flights(1), 2: flights(2), 3: flights(3)[:9000]}.items():
        s3.store.put(FLIGHTS.format(day), content)
    s3.store.put("flights/", b"")  # as consoles make a folder
    first = s3.run("bronze.flights", "01", "03")
    assert (first["status"], first["error"]["kind"], first["rows"]["published"]) == (
        "failed",
        "DeliveryRefusedError",
        1865,
    )
    assert "CORRUPT_GZIP: flights/flights_2013-01-03.csv.gz" in first["error"]["message"]
    s3.store.put(FLIGHTS.format(3), flights(3))
    assert s3.run("bronze.flights", "01", "03")["rows"]["published"] == 989
    again = s3.run("bronze.flights", "01", "03")
    assert (again["status"], again["rows"]["published"]) == ("succeeded", 0)
    assert s3.sources("bronze.flights") == {
        FLIGHTS.format(day): rows for day, rows in {1: 842, 2: 1023, 3: 989}.items()
    }
    proven = s3("verify", "bronze")
    assert proven.returncode == 0, proven.stdout + proven.stderr


def test_a_replaced_delivery_is_loaded_and_a_changed_one_is_no_proof(s3: Lake) -> None:
    text = gzip.decompress(flights(1))
    s3.store.put("flights/flights_2013-01-01.csv", text)
    s3.run("bronze.flights", "01")
    s3.store.put("flights/flights_2013-01-01.csv", text[: text.index(b"\n", 5000) + 1])
    assert 0 < s3.run("bronze.flights", "01")["rows"]["published"] < 842
    assert s3("verify", "bronze").returncode == 0
    s3.store.put("flights/flights_2013-01-01.csv", b"of nobody")
    proven = s3("verify", "bronze")
    assert (proven.returncode, "changed" in proven.stdout) == (1, True)


def test_what_arrives_is_seen_where_it_was_looked_before(s3: Lake) -> None:
    store = s3.store
    landing = UPath(f"s3://{BUCKET}/lake", endpoint_url=store.url, key=store.key, secret=store.secret)
    source = ingest.csv("prices_{date}.csv")
    for number in (1, 2):
        store.put("prices_2013-01-01.csv", b"item\n" * number)
        store.put(f"prices_2013-01-0{number + 1}.csv", b"item\n")
        found = ingest.find_deliveries(source, landing=landing, interval=Interval.parse("2013-01-01", "2013-01-31"))
        assert [each.size_bytes for each in found] == [5 * number, *[5] * number]


def test_a_delivery_without_rows_is_held_until_it_is_released(s3: Lake) -> None:
    name = "flights/flights_2013-01-01.csv"
    s3.store.put(name, gzip.decompress(flights(1)).split(b"\n", 1)[0] + b"\n")
    assert "held, NO_ROWS" in s3.run("bronze.flights", "01")["error"]["message"]
    assert s3("release", name, "--reason", "none flew").returncode == 0
    assert s3.run("bronze.flights", "01")["status"] == "succeeded"


@pytest.mark.parametrize("passing", [0, 6_000_000], ids=["at_once", "while_parsed"])
def test_a_store_that_goes_away_is_transient_and_a_rerun_finishes(s3: Lake, passing: int) -> None:
    s3.store.put(FLIGHTS.format(1), flights(1))
    s3.run("bronze.flights", "01")
    s3.store.put("flights/flights_2013-01-02.csv", many_flights())
    s3.store.gate.left = passing
    away = s3.run("bronze.flights", "01", "02")
    assert (away["error"]["kind"], away["error"]["is_transient"]) == ("SourceAwayError", True), away["error"]
    assert s3.sources("bronze.flights") == {FLIGHTS.format(1): 842}
    s3.store.gate.left = None
    assert s3.run("bronze.flights", "01", "02")["rows"]["published"] == 45 * 989
    assert s3.sources("bronze.flights") == {"flights/flights_2013-01-02.csv": 45 * 989, FLIGHTS.format(1): 842}


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"S3_SECRET": "not-the-secret"}, "signature"),
        ({"S3_KEY": "AKIANOBODY"}, "does not exist in our records"),
        ({"LAKE_LANDING": "s3://nobodys-bucket/lake"}, "bucket does not exist"),
    ],
    ids=["secret", "key", "bucket"],
)
def test_what_is_set_wrong_is_told_and_not_tried_again(s3: Lake, variables: dict[str, str], told: str) -> None:
    s3.store.put(FLIGHTS.format(1), flights(1))
    run = s3.run("bronze.flights", "01", LAKE_RETRIES="2", **variables)
    assert (run["error"]["kind"], run["attempt"]) == ("DataError", 1)
    assert told in run["error"]["message"]
    assert "not-the-secret" not in json.dumps(run)


def test_the_pages_of_an_api_are_kept_in_it(s3: Lake) -> None:
    s3.project.contract("bronze.orders", name="id")
    imports = "from datetime import date\nfrom lakelib import ingest, start, tables"
    begin = 'run = start("bronze.orders", start_date=start_date, end_date=end_date)'
    cells = [new_code_cell(imports), new_code_cell(DATES, metadata={"tags": ["parameters"]})]
    with open_shop() as shop:
        cells.append(new_code_cell(begin + ORDERS.format(url=shop.url)))
        s3.project.file("bronze.orders", [new_markdown_cell("# Orders"), *cells])
        s3.store.gate.left = 3000  # some pages
        away = s3.run("bronze.orders", "01")
        assert away["error"]["kind"] == "SourceAwayError", away["error"]
        s3.store.gate.left = None
        assert s3.run("bronze.orders", "01", "02")["rows"]["published"] == 14
        asked = len(shop.asked)
        assert s3.run("bronze.orders", "01", "02")["rows"]["published"] == 0
        assert len(shop.asked) == asked, "what is in landing is not fetched again"
    assert s3.store.names() == ["shop/orders_2013-01-01.zip", "shop/orders_2013-01-02.zip"]
    assert s3("verify", "bronze.orders").returncode == 0
