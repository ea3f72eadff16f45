"""The page's examples, and what the checks of `lakelib.ingest.testing` find."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy

from lakelib import ingest
from lakelib.ingest.testing import check_fetcher, check_format
from tests.architecture.project_files import PROJECT
from tests.ingest.delivering import load, texts
from tests.ingest.servers import open_shop

PAGE = (PROJECT / "docs/how-to/connect-a-source.md").read_text()
STATIONS = b"0001Berlin    \n0002Oslo      \n0003x\n"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names that the page's classes define."""
    names: dict[str, Any] = {"__name__": __name__}
    for block in re.findall(r"^```python\n(from .*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(block, names)
    return names


def test_the_page_s_format_reads_files(tmp_path: Path, example: dict[str, Any]) -> None:
    stations = example["FixedWidth"]((("id", 4), ("name", 10)))
    rows = load(tmp_path, STATIONS, ingest.Source("stations.txt", stations))
    assert texts(rows) == [["0001", "Berlin"], ["0002", "Oslo"], [None, None]]
    assert rows["_corrupt_record"].to_pylist()[2] == "LINE_WIDTH: expected 14 characters, found 5 | 0003x"
    check_format(stations, tmp_path / "drop")


def test_the_page_s_fetcher_fetches(tmp_path: Path, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERP_URL", f"sqlite:///{tmp_path / 'erp.sqlite'}")
    with sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'erp.sqlite'}").begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE items (id INTEGER)"))
        connection.execute(sqlalchemy.text("INSERT INTO items VALUES (1), (2)"))
    schema = pa.schema({"id": pa.int64()})
    fetcher = example["AnyDatabase"]("env:ERP_URL", "SELECT id FROM items", schema)
    check_fetcher(ingest.parquet("erp/items_{date}.parquet").fetched_by(fetcher))


def test_a_killed_fetch_of_an_api_goes_on_without_losing_a_page(tmp_path: Path) -> None:
    with open_shop() as shop:
        pages = ingest.ByCursor("cursor", "next")
        check_fetcher(ingest.api("shop/orders_{date}.zip", url=shop.url, records="data.items", pages=pages))


def test_a_killed_fetch_of_a_database_delivers_the_whole_table(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'crm.sqlite'}")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE rows (id INTEGER)"))
        for number in range(50):
            connection.execute(sqlalchemy.text(f"INSERT INTO rows VALUES {', '.join(['(' + str(number) + ')'] * 100)}"))
    check_fetcher(ingest.database("crm/rows_{date}.parquet", url=str(engine.url), table="rows"))


class Crashing:
    def read(self, file: Path) -> Iterator[pa.Table]:
        number, _ = file.read_bytes().split(b";")
        yield pa.table({"a": [number]})


@dataclass
class Forgetful:
    """Writes where everybody looks, and something else each time."""

    knows_history: bool = False
    times: int = 0

    def fetch(self, request: ingest.Request) -> bool:
        self.times += 1
        request.into.write_bytes(bytes(self.times))
        return True


def test_promises_that_are_not_kept_are_found(tmp_path: Path) -> None:
    sample = tmp_path / "sample"
    sample.write_bytes(b"1;2")
    with pytest.raises(ValueError, match="unpack"):
        check_format(Crashing(), sample)
    with pytest.raises(AssertionError, match="equal bytes"):
        check_fetcher(ingest.csv("x/x_{date}.csv").fetched_by(Forgetful()))
