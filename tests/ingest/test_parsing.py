from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError
from tests.ingest.delivering import DAY, NOW, deliver, load, outcome, parse

SOURCES = [
    ingest.csv("drop"),
    ingest.csv("drop.gz"),
    ingest.csv("drop", quote="", encoding="utf-7"),
    ingest.csv("drop", delimiter=";", encoding="utf-16"),
    ingest.json("drop"),
    ingest.json("drop", path="a"),
    ingest.jsonl("drop"),
    ingest.xml("drop", row="r"),
]
SAMPLES = [
    b'a,b\n1,"2"\n3\n',
    b'[{"a": 1.0}, {"a": [NaN]}]',
    b'{"a": [{"b": 2}]}',
    b'{"a": 1}\n{"a": "\\ud800"}\n',
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e "E">]><x><r a="1">&e;</r></x>',
    b"<x><r a='1'><b>2</b></r></x>",
]


def test_rows_say_where_they_came_from(tmp_path: Path) -> None:
    drop = deliver(tmp_path, b"b,a,x\n2,1,3\n", name="flights_2013-01-03.csv")
    parsed = parse(drop, ingest.csv("x"), into=tmp_path / "rows", required=["a"], optional=["c", "b"])
    assert parsed == ingest.Parsed(rows=1, corrupt_rows=0, columns=("a", "c", "b", "x"), drift=("x",))
    rows = parquet.read_table(tmp_path / "rows")
    assert rows.to_pylist() == [
        {
            "a": "1",
            "c": None,
            "b": "2",
            "x": "3",
            "_corrupt_record": None,
            "_source_file": "flights_2013-01-03.csv",
            "_source_row": 1,
            "_source_sha256": drop.sha256,
            "_delivered_on": DAY,
            "_ingested_at": NOW,
            "_run_id": "run",
        }
    ]
    stamps = [pa.string(), pa.date32(), pa.timestamp("us", "UTC"), pa.string()]
    assert rows.schema.types == [*[pa.string()] * 6, pa.int64(), *stamps]


def test_a_standing_file_has_no_delivery_date(tmp_path: Path) -> None:
    parse(replace(deliver(tmp_path, b"a\n1\n"), delivered_on=None), ingest.csv("x"), into=tmp_path / "rows")
    assert parquet.read_table(tmp_path / "rows")["_delivered_on"].to_pylist() == [None]


def test_a_file_replaced_since_it_was_found_is_refused(tmp_path: Path) -> None:
    found = deliver(tmp_path, b"a\n1\n")
    deliver(tmp_path, b"a\n2\n")
    with pytest.raises(DeliveryRefusedError, match="CHANGED"):
        parse(found, ingest.csv("x"), into=tmp_path / "rows")
    assert [path.name for path in tmp_path.iterdir()] == ["drop"]


def test_a_file_gone_since_it_was_found_is_refused(tmp_path: Path) -> None:
    found = deliver(tmp_path, b"a\n1\n")
    found.path.unlink()
    with pytest.raises(DeliveryRefusedError, match="CHANGED.*the file is gone"):
        parse(found, ingest.csv("x"), into=tmp_path / "rows")


def test_a_refusal_leaves_an_earlier_file_as_it_was(tmp_path: Path) -> None:
    load(tmp_path, b"a\n1\n", ingest.csv("x"))
    with pytest.raises(DeliveryRefusedError, match="drop is refused"):
        load(tmp_path, b'a\n"1\n', ingest.csv("x"))
    assert parquet.read_table(tmp_path / "rows.parquet")["a"].to_pylist() == ["1"]


def test_the_same_bytes_give_the_same_file(tmp_path: Path) -> None:
    drop = deliver(tmp_path, b"a,b\n1,2\n3\n")
    for name in ("once", "again"):
        parse(drop, ingest.csv("x"), into=tmp_path / name)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sample with a stretch of it replaced."""
    sample = draw(st.sampled_from(SAMPLES))
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(sample))] * 2)))
    return (
        sample[:start]
        + draw(st.binary(max_size=4) | st.sampled_from([b'"', b"\n", b",", b"{", b"<", b"&"]))
        + sample[end:]
    )


@settings(deadline=None)
@given(st.binary(max_size=60) | damaged(), st.sampled_from(SOURCES))
def test_any_bytes_are_loaded_or_refused(tmp_path_factory, content, source) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("any")
    rows = outcome(folder, content, source)
    if isinstance(rows, DeliveryRefusedError):
        assert rows.reason
        assert {path.name for path in folder.iterdir()} <= {"drop", "drop.gz"}
    else:
        assert {*rows["_source_row"].to_pylist()} == {*range(1, rows.num_rows + 1)}


def test_times_are_kept_as_instants(tmp_path: Path) -> None:
    load(tmp_path, b"a\n1\n", ingest.csv("x"))
    (ingested_at,) = parquet.read_table(tmp_path / "rows.parquet")["_ingested_at"].to_pylist()
    assert ingested_at == datetime(2013, 1, 4, 5, 6, 7, 891011, tzinfo=UTC)
