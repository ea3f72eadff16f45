import gzip
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakelib.errors import DataError, TableNotFoundError, UsageError
from lakelib.ingest.sources import CsvFormat
from lakelib.tables.sampling import column_names, sample, source_of
from tests.engines import embedded
from tests.tables.conftest import COLOUR, THING_ID, Lake, tables


def rows(origin: Path | str) -> list[dict[str, object]]:
    table = sample(str(origin))
    return table.select([name for name in table.column_names if not name.startswith("_")]).to_pylist()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sales.csv", "id;shop no\n1;01\n"),
        ("sales.tsv", "id\tshop no\n1\t01\n"),
        ("sales.json", '[{"id": 1, "shop no": "01"}]'),
        ("sales.ndjson", '{"id": 1, "shop no": "01"}\n'),
        ("sales.json#data.rows", '{"data": {"rows": [{"id": 1, "shop no": "01"}]}}'),
        ("sales.xml#sale", '<a><sale id="1" shop_no="01"><x/></sale></a>'),
        ("sales.xml", '<a><b at="noon"><sale id="1"><shop_no>01</shop_no></sale></b></a>'),
    ],
)
def test_a_file_is_read_as_it_would_be_loaded(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name.partition("#")[0]).write_text(text)
    [row] = rows(tmp_path / name)
    assert row.items() >= {"id": "1", "shop_no": "01"}.items()


@pytest.mark.parametrize(("encoding", "said"), [("utf-8-sig", "utf-8"), ("cp1252", "cp1252")])
def test_the_encoding_is_the_first_that_the_whole_file_decodes_in(tmp_path: Path, encoding: str, said: str) -> None:
    (tmp_path / "sales.csv").write_bytes("id,article\n1,Käse für 2 €\n".encode(encoding))
    assert rows(tmp_path / "sales.csv") == [{"id": "1", "article": "Käse für 2 €"}]
    found = source_of(str(tmp_path / "sales.csv")).format
    assert isinstance(found, CsvFormat)
    assert found.encoding == said


def test_a_damaged_archive_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress(b"id\n1\n", mtime=0)[:-4])
    with pytest.raises(DataError, match="CORRUPT_GZIP"):
        sample(str(tmp_path / "sales.csv.gz"))


def test_a_file_with_types_keeps_them(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([1], pa.int16())}), tmp_path / "sales.parquet")
    assert sample(str(tmp_path / "sales.parquet")).schema.field("id").type == pa.int16()


def test_of_a_sqlite_file_the_only_table_is_read_or_the_one_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "fleet.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript("CREATE TABLE planes (id INTEGER); INSERT INTO planes VALUES (7);")
        assert rows(file) == [{"id": 7}]
        connection.executescript("CREATE TABLE crews (name TEXT); INSERT INTO crews VALUES ('x');")
    connection.close()
    with pytest.raises(UsageError, match="it has the tables crews, planes"):
        sample(str(file))
    assert rows(f"{file}#crews") == [{"name": "x"}]


def test_a_file_without_a_readable_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(DataError, match="none of its 1 records"):
        sample(str(tmp_path / "sales.csv"))


@embedded
def test_a_table_of_the_lake_is_read_by_its_name(lake: Lake) -> None:
    lake.contract("silver.things", THING_ID, COLOUR)
    with pytest.raises(TableNotFoundError):
        sample("silver.things")
    contract = lake.start("silver.things").contract
    tables.merge(lake.df([("a", "red")], "thing_id string, colour string"), contract)
    assert rows("silver.things") == [{"thing_id": "a", "colour": "red"}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b'\xef\xbb\xbfid,"unit; price"\r\n1,2\r\n'),
        ("a.csv.gz", gzip.compress(b"id\tunit  price\n", mtime=0)),
        ("a.jsonl", b'{"id": 1, "unit; price": 2}\n'),
    ],
)
def test_a_file_s_columns_are_told_by_its_head(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    file = str(tmp_path / name)
    assert column_names(file, source_of(file)) == {"id", "unit__price"}


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
def test_a_file_that_can_not_be_read_tells_no_columns(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    file = str(tmp_path / name)
    assert column_names(file, source_of(file)) == frozenset()


def test_a_file_that_is_named_as_sqlite_and_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "planes.sqlite").write_bytes(b"tailnum,year\n" * 50)
    with pytest.raises(DataError, match="SQLite can't read it"):
        sample(str(tmp_path / "planes.sqlite"))
