"""Landing behind a URI, by fsspec's store in memory."""

from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from pyarrow import parquet
from upath import UPath

from lakelib import ingest
from lakelib.errors import SettingsError
from lakelib.ingest.fetching import fetch_deliveries
from lakelib.intervals import Interval
from lakelib.settings import StorageSettings, load_settings
from tests.architecture.project_files import PROJECT
from tests.ingest.delivering import NOW
from tests.ingest.servers import open_shop
from tests.ingest.test_typed_files import sqlite_file

TODAY = datetime.now(UTC).date()


@pytest.fixture
def landing() -> UPath:
    return load_settings(PROJECT, landing=f"memory://{uuid4()}").landing_path


def test_deliveries_are_found_and_parsed(tmp_path: Path, landing: UPath) -> None:
    (landing / "planes").mkdir(parents=True)
    (landing / "planes/fleet_2013-01-03.sqlite").write_bytes(sqlite_file(tmp_path, "a INTEGER", [(1,)]))
    source = ingest.sqlite("planes/fleet_{date}.sqlite", table="rows")
    (found,) = ingest.find_deliveries(source, landing=landing, interval=Interval(date(2013, 1, 3), date(2013, 1, 3)))
    assert found.name == "planes/fleet_2013-01-03.sqlite"
    into = tmp_path / "rows"
    ingest.parse(found, source=source, expected=ingest.Expected(["a"]), ingested_at=NOW, run_id="run", into=into)
    assert parquet.read_table(into)["a"].to_pylist() == [1]


def test_pages_are_fetched_into_it(landing: UPath) -> None:
    with open_shop() as shop:
        source = ingest.api("shop/orders_{date}.zip", url=shop.url, records="data.items")
        fetch_deliveries(source, landing=landing, interval=Interval(TODAY, TODAY))
    assert [path.name for path in (landing / "shop").iterdir()] == [f"orders_{TODAY}.zip"]


def test_options_hold_secret_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_KEY", "the key")
    options = StorageSettings(options={"key": "env:S3_KEY", "anon": False}).resolved
    assert options == {"key": "the key", "anon": False}


@pytest.mark.parametrize("uri", ["abfss://landing@acme.dfs.core.windows.net/x", "nosuch://x"])
def test_a_store_without_a_driver_names_the_extra(uri: str) -> None:
    with pytest.raises(SettingsError, match="lakelib\\[s3\\]"):
        assert load_settings(PROJECT, landing=uri).landing_path
