import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError
from tests.ingest.delivering import deliver, parse, texts

CSV = ingest.csv("drop_{date}.csv")


def packed(**members: bytes) -> bytes:
    """Members by name; `__` in a name stands for its dot."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return content.getvalue()


def load(folder: Path, content: bytes, source: ingest.Source = CSV) -> pa.Table:
    parse(deliver(folder, content, name="drop.zip"), source, into=folder / "rows.parquet", required=["a"])
    return parquet.read_table(folder / "rows.parquet")


def reason(folder: Path, content: bytes) -> str:
    with pytest.raises(DeliveryRefusedError) as refused:
        load(folder, content)
    assert [path.name for path in folder.iterdir()] == ["drop.zip"]
    return refused.value.reason


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("drop.zip", packed(a__csv=b"a\n" + b"0\n" * 500, b__csv=b"a\n" + b"0\n" * 500)),
        ("drop.gz", gzip.compress(b"0" * 1500, mtime=0)),
    ],
)
def test_an_archive_that_unpacks_to_more_than_is_allowed_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DeliveryRefusedError, match="ARCHIVE_TOO_LARGE"):
        parse(deliver(tmp_path, content, name=name), CSV, into=tmp_path / "rows", most_unpacked_bytes=1200)


def test_all_files_that_fit_are_one_delivery(tmp_path: Path) -> None:
    rows = load(tmp_path, packed(b__csv=b"c,a\n3,x\n", a__csv=b"a,b\n1,2\n4,5\n", readme__txt=b"hello", __c__csv=b"no"))
    assert texts(rows) == [["1", "2", None], ["4", "5", None], ["x", None, "3"]]
    assert rows["_source_row"].to_pylist() == [1, 2, 3]


def test_a_pattern_that_names_the_archive_takes_all_files(tmp_path: Path) -> None:
    source = ingest.jsonl("drop_{date}.zip")
    assert texts(load(tmp_path, packed(x=b'{"a": 1}', y__json=b'{"a": 2}'), source)) == [["1"], ["2"]]


def test_each_file_needs_the_columns(tmp_path: Path) -> None:
    assert reason(tmp_path, packed(a__csv=b"a\n1\n", b__csv=b"b\n1\n")) == "SCHEMA_MISSING_COLUMN"


@pytest.mark.parametrize("name", ["../x.csv", "/x.csv", "a/../../x.csv", "..\\x.csv", "C:\\x.csv"])
def test_names_that_lead_out_refuse_the_archive(tmp_path: Path, name: str) -> None:
    assert reason(tmp_path, packed(**{"a__csv": b"a\n1\n", name: b"a\n2\n"})) == "ARCHIVE_PATH"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (packed(a__txt=b"a\n1\n"), "ARCHIVE_EMPTY"),
        (packed(a__csv=b""), "EMPTY_FILE"),
        (packed(a__csv=b"a\n1\n")[:-9], "CORRUPT_ZIP"),
        (b"a\n1\n", "CORRUPT_ZIP"),
    ],
)
def test_archives_without_data_are_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    assert reason(tmp_path, content) == expected


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_damaged_archives_are_loaded_or_refused(tmp_path_factory, data) -> None:  # type: ignore[no-untyped-def]
    whole = packed(a__csv=b"a\n" + b"1\n" * 99, b__csv=b"a\n2\n")
    at = data.draw(st.integers(0, len(whole)))
    content = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.sampled_from([0, 4, 999])) :]
    folder = tmp_path_factory.mktemp("any")
    try:
        load(folder, content)
    except DeliveryRefusedError:
        assert [path.name for path in folder.iterdir()] == ["drop.zip"]


def test_the_pack_s_archive_is_refused_for_its_paths(tmp_path: Path) -> None:
    content = Path(__file__).parents[2].joinpath("data/bad/zip_path/flights_2013-01-03.zip").read_bytes()
    assert reason(tmp_path, content) == "ARCHIVE_PATH"
