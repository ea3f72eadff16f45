"""Formats with types of their own: SQLite and Parquet."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError
from tests.ingest.delivering import deliver, load, outcome, parse, texts

ROWS = ingest.sqlite("x", table="rows")
FILE = ingest.parquet("x")


def sqlite_file(folder: Path, columns: str, rows: Sequence[tuple[Any, ...]]) -> bytes:
    path = folder / "made.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE rows ({columns})")
        for row in rows:
            connection.execute(f"INSERT INTO rows VALUES ({', '.join('?' * len(row))})", row)
    connection.close()
    content = path.read_bytes()
    path.unlink()
    return content


def parquet_file(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    parquet.write_table(table, buffer)
    return buffer.getvalue().to_pybytes()


def test_a_sqlite_column_has_its_declared_type(tmp_path: Path) -> None:
    content = sqlite_file(tmp_path, "n INTEGER, r REAL, t VARCHAR(9), b BLOB", [(1, 2.5, "x", b"y"), (None,) * 4])
    rows = load(tmp_path, content, ROWS).select(["n", "r", "t", "b"])
    assert rows.schema.types == [pa.int64(), pa.float64(), pa.string(), pa.binary()]
    assert rows.to_pylist() == [{"n": 1, "r": 2.5, "t": "x", "b": b"y"}, dict.fromkeys("nrtb")]


def test_a_value_of_another_type_is_a_corrupt_record(tmp_path: Path) -> None:
    content = sqlite_file(tmp_path, "n INTEGER, t TEXT", [(1, "a"), ("one", "b"), (3, b"\xff"), (4, "d")])
    rows = load(tmp_path, content, ROWS)
    assert texts(rows) == [[1, "a"], [None, None], [None, None], [4, "d"]]
    assert rows["_source_row"].to_pylist() == [1, 2, 3, 4]
    assert rows["_corrupt_record"].to_pylist()[1:3] == [
        'FIELD_TYPE: n is declared integer and holds text | {"n": "one", "t": "b"}',
        'FIELD_TYPE: t is declared text and holds blob | {"n": 3, "t": "ff"}',
    ]


def test_values_decide_where_no_type_is_declared(tmp_path: Path) -> None:
    content = sqlite_file(tmp_path, "a, b DATE, c DECIMAL(9,2)", [(1, "2013-01-03", 1.5), (2, None, 2)])
    assert load(tmp_path, content, ROWS).schema.types[:3] == [pa.int64(), pa.string(), pa.float64()]


@pytest.mark.parametrize(
    ("columns", "rows", "reason"),
    [
        ("a", [(1,), ("x",)], "SCHEMA_TYPE"),
        ("a REAL, b", [(1.0, 2**53 + 1), (1.0, 0.5)], "SCHEMA_TYPE"),
        ("a TEXT", [], "NO_ROWS"),
    ],
)
def test_tables_without_sense_are_refused(
    tmp_path: Path, columns: str, rows: list[tuple[Any, ...]], reason: str
) -> None:
    with pytest.raises(DeliveryRefusedError) as refused:
        load(tmp_path, sqlite_file(tmp_path, columns, rows), ROWS)
    assert refused.value.reason == reason


def test_a_missing_table_is_named_with_those_there(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefusedError, match="Did you mean rows") as refused:
        load(tmp_path, sqlite_file(tmp_path, "a", [(1,)]), ingest.sqlite("x", table="row"))
    assert refused.value.reason == "SCHEMA_MISSING_TABLE"


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_damaged_files_are_loaded_or_refused(tmp_path_factory, data) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("any")
    whole, source = data.draw(
        st.sampled_from(
            [
                (sqlite_file(folder, "a, b TEXT", [(n, f"{n}") for n in range(400)]), ROWS),
                (parquet_file(pa.table({"a": range(400), "b": ["x"] * 400})), FILE),
            ]
        )
    )
    at = data.draw(st.integers(0, len(whole)))
    content = whole[:at] + data.draw(st.binary(max_size=40)) + whole[at + data.draw(st.sampled_from([0, 40, 10**6])) :]
    rows = outcome(folder, content, source)
    assert isinstance(rows, pa.Table) or rows.reason
    assert {path.name for path in folder.iterdir()} <= {"drop", "rows.parquet"}


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    delivered = {
        "n": pa.array([2**63], pa.uint64()),
        "d": pa.array([Decimal("1.10")], pa.decimal128(9, 2)),
        "at": pa.array([datetime(2013, 1, 3, tzinfo=UTC)], pa.timestamp("ns", tz="America/New_York")),
        "on": pa.array([date(2013, 1, 3)]),
        "tod": pa.array([time(5, 6)]),
        "tags": pa.array([["x"]]),
        "nested": pa.array([{"a": 1, "b": [True]}]),
    }
    rows = load(tmp_path, parquet_file(pa.table(delivered)), FILE)
    assert rows.select(list(delivered)).to_pylist() == [
        {
            "n": Decimal(2**63),
            "d": Decimal("1.10"),
            "at": datetime(2013, 1, 3, tzinfo=UTC),
            "on": date(2013, 1, 3),
            "tod": "05:06:00.000000",
            "tags": ["x"],
            "nested": {"a": 1, "b": [True]},
        }
    ]


@pytest.mark.parametrize(
    ("value", "delivered", "promised"),
    [
        (7, pa.int64(), "int"),
        (7, pa.int64(), "decimal(10,2)"),
        (7, pa.int32(), "double"),
        (None, pa.null(), "date"),
        (Decimal("1.10"), pa.decimal128(9, 2), "decimal(4,1)"),
    ],
)
def test_a_value_may_come_in_a_promised_type_that_holds_it(
    tmp_path: Path, value: object, delivered: pa.DataType, promised: str
) -> None:
    drop = deliver(tmp_path, parquet_file(pa.table({"a": pa.array([value], delivered)})))
    parse(drop, FILE, into=tmp_path / "rows", required=["a"], types={"a": promised})
    (row,) = parquet.read_table(tmp_path / "rows").select(["a"]).to_pylist()
    assert row["a"] == value


@pytest.mark.parametrize(
    ("value", "delivered", "promised"),
    [
        (7, pa.int64(), "string"),
        ("7", pa.string(), "int"),
        (2**40, pa.int64(), "int"),
        (2**53 + 1, pa.int64(), "double"),
        (1.5, pa.float64(), "float"),
        (Decimal("1.15"), pa.decimal128(9, 2), "decimal(4,1)"),
        (datetime(2013, 1, 3), pa.timestamp("us"), "timestamp"),
        (7, pa.duration("s"), "bigint"),
    ],
)
def test_a_value_that_would_become_another_is_refused(
    tmp_path: Path, value: object, delivered: pa.DataType, promised: str
) -> None:
    drop = deliver(tmp_path, parquet_file(pa.table({"a": pa.array([value], delivered)})))
    with pytest.raises(DeliveryRefusedError, match="SCHEMA_TYPE"):
        parse(drop, FILE, into=tmp_path / "rows", required=["a"], types={"a": promised})
    assert [path.name for path in tmp_path.iterdir()] == ["drop"]


def test_text_formats_deliver_text_whatever_is_promised(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefusedError, match="int was expected in the column a; found string"):
        parse(
            deliver(tmp_path, b"a\n7\n"),
            ingest.csv("x"),
            into=tmp_path / "rows",
            required=["a"],
            types={"a": "int"},
        )


def test_generated_columns_of_sqlite_are_delivered_as_all_others(tmp_path: Path) -> None:
    columns = "n INTEGER, twice INTEGER GENERATED ALWAYS AS (2 * n) VIRTUAL, t TEXT AS ('v' || n) STORED"
    path = tmp_path / "made.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE rows ({columns})")
        connection.execute("INSERT INTO rows (n) VALUES (1)")
    connection.close()
    assert load(tmp_path, path.read_bytes(), ROWS).select(["n", "twice", "t"]).to_pylist() == [
        {"n": 1, "twice": 2, "t": "v1"}
    ]


def _text(content: bytes) -> pa.Array:  # type: ignore[type-arg]
    """One text of these bytes, which nobody looked at."""
    ends = b"".join(end.to_bytes(4, "little") for end in (0, len(content)))
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(content)])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (_text(b"Z\xfcrich"), "ENCODING"),
        (pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), _text(b"Z\xfcrich")), "ENCODING"),
        (pa.array([{"x": 1, "X": 2}]), "SCHEMA_TYPE"),
    ],
)
def test_what_no_engine_reads_again_is_refused(tmp_path: Path, values: Any, reason: str) -> None:
    refused = outcome(tmp_path, parquet_file(pa.table({"n": [1], "a": values})), FILE)
    assert isinstance(refused, DeliveryRefusedError)
    assert refused.reason == reason


def test_a_column_s_name_in_parquet_is_text(tmp_path: Path) -> None:
    refused = outcome(tmp_path, parquet_file(pa.table({"name": [1]})).replace(b"name", b"n\xfcme"), FILE)
    assert isinstance(refused, DeliveryRefusedError)
    assert refused.reason == "ENCODING"


def test_a_nul_in_a_column_s_name_is_an_underscore(tmp_path: Path) -> None:
    assert "a_b" in load(tmp_path, parquet_file(pa.table({"a\0b": [1]})), FILE).column_names


def test_a_page_that_is_not_what_its_checksum_tells_is_refused(tmp_path: Path) -> None:
    buffer = pa.BufferOutputStream()
    parquet.write_table(pa.table({"a": ["sound"]}), buffer, write_page_checksum=True, write_statistics=False)
    refused = outcome(tmp_path, buffer.getvalue().to_pybytes().replace(b"sound", b"bound"), FILE)
    assert isinstance(refused, DeliveryRefusedError)
    assert refused.reason == "CORRUPT_PARQUET"


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_sqlite_file_that_is_written_to_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "drop"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute(f"PRAGMA journal_mode = {mode}")
        writer.execute("CREATE TABLE rows (n INTEGER)")
        writer.execute("PRAGMA cache_size = 1")  # what is not committed goes to the file as well
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO rows VALUES (?)", [(n,) for n in range(10_000)])
        if mode == "WAL":
            writer.execute("COMMIT")
        refused = outcome(tmp_path, path.read_bytes(), ROWS)
    assert isinstance(refused, DeliveryRefusedError)
    assert refused.reason == "IN_USE"


def test_a_journal_that_is_kept_for_the_next_time_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "drop"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = PERSIST")
        writer.execute("CREATE TABLE rows (n INTEGER)")
        writer.execute("INSERT INTO rows VALUES (1)")
    assert (tmp_path / "drop-journal").stat().st_size
    assert load(tmp_path, path.read_bytes(), ROWS)["n"].to_pylist() == [1]
