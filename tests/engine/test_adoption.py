"""Staged files that become a table's own: the rows, the log's statistics, and who may be first."""

import json
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from lakelib.engine import Commit
from lakelib.engine.adoption import adopt, adoptable_files
from lakelib.engine.delta_log import versions
from lakelib.engine.staged_files import NULL_COUNTS, staged_bounds

COMMIT = Commit(metadata="{}", transaction="run:table")


def staged(folder: Path, rows: pa.Table) -> str:
    (folder / "staged").mkdir()
    pq.write_table(rows, folder / "staged" / "rows.parquet")
    return str(folder / "staged")


def empty(folder: Path, schema: pa.Schema) -> DeltaTable:
    return DeltaTable.create(folder / "table", schema=schema)


def adopted(folder: Path, values: list[Any], kind: pa.DataType) -> DeltaTable:
    rows = pa.table({"value": pa.array(values, kind)})
    table = empty(folder, rows.schema)
    adopt(adoptable_files(staged(folder, rows), table), table, commit=COMMIT)
    return DeltaTable(folder / "table")


def statistics(table: DeltaTable) -> dict[str, Any]:
    newest = Path(table.table_uri.removeprefix("file://")) / "_delta_log" / f"{table.version():020}.json"
    lines = map(json.loads, newest.read_text().splitlines())
    return json.loads(next(line["add"]["stats"] for line in lines if "add" in line))


def test_the_rows_of_staged_files_are_the_tables(tmp_path: Path) -> None:
    table = adopted(tmp_path, [3, 1, None], pa.int64())
    assert table.to_pyarrow_table()["value"].to_pylist() == [3, 1, None]
    assert (table.version(), table.count(), table.transaction_version(COMMIT.transaction)) == (1, 3, 1)


def test_history_counts_the_rows(tmp_path: Path) -> None:
    table = adopted(tmp_path, [3, 1, None], pa.int64())
    write_deltalake(table, pa.table({"value": [7]}), mode="append")
    newest, adopting, _ = versions(str(tmp_path / "table"))
    assert (newest.metrics["num_added_rows"], adopting.metrics) == ("1", {"num_added_rows": "3"})


def test_staged_files_stay_where_they_are(tmp_path: Path) -> None:
    adopted(tmp_path, [1], pa.int64())
    assert pq.read_table(tmp_path / "staged")["value"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("values", "kind", "least", "most"),
    [
        ([3, 1], pa.int64(), 1, 3),
        ([Decimal("1.25"), Decimal("-7.50")], pa.decimal128(12, 2), -7.5, 1.25),
        ([date(2013, 1, 2), date(2012, 1, 2)], pa.date32(), "2012-01-02", "2013-01-02"),
        ([Decimal("12345678901234567.89")], pa.decimal128(38, 2), 12345678901234500, 12345678901234600),
        ([Decimal("0.000012")], pa.decimal128(12, 6), 0, 0.0001),
        ([True, False], pa.bool_(), False, True),
        (["b", "a", None], pa.string(), "a", "b"),
        (["a\x85\u2028b"], pa.string(), "a\x85\u2028b", "a\x85\u2028b"),
        (["\U00020001" * 65], pa.string(), "\U00020001" * 64, "\U00020001" * 64 + "\U0010ffff" * 4),
        (
            [datetime(2013, 1, 1, 0, 0, 0, 1001, UTC), datetime(2013, 1, 1, 0, 0, 0, 2001, UTC)],
            pa.timestamp("us", "UTC"),
            "2013-01-01T00:00:00.001Z",
            "2013-01-01T00:00:00.003Z",
        ),
    ],
)
def test_bounds_hold_all_values(tmp_path: Path, values: list[Any], kind: pa.DataType, least: Any, most: Any) -> None:
    found = statistics(adopted(tmp_path, values, kind))
    assert (found["minValues"], found["maxValues"]) == ({"value": least}, {"value": most})
    assert (found["numRecords"], found["nullCount"]) == (len(values), {"value": values.count(None)})


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([float("nan"), 1.0], pa.float64()),
        ([float("inf"), 1.0], pa.float32()),
        ([b"a"], pa.binary()),
        ([None], pa.int64()),
    ],
)
def test_values_without_sure_bounds_have_none(tmp_path: Path, values: list[Any], kind: pa.DataType) -> None:
    found = statistics(adopted(tmp_path, values, kind))
    assert (found["minValues"], found["maxValues"]) == ({}, {})


KINDS = {
    "flag": (pa.bool_(), st.booleans()),
    "number": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "double": (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "float": (pa.float32(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
    "money": (pa.decimal128(12, 2), st.decimals(-(10**9), 10**9, places=2)),
    "long_number": (pa.decimal128(38, 20), st.decimals(-(10**17), 10**17, places=20)),
    "text": (pa.string(), st.text(st.characters(exclude_categories=("Cs",)), max_size=70)),
    "day": (pa.date32(), st.dates()),
    "moment": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(UTC), max_value=datetime(9999, 12, 31))),
    "local": (pa.timestamp("us"), st.datetimes(max_value=datetime(9999, 12, 31))),
}


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.fixed_dictionaries({name: st.none() | kind for name, (_, kind) in KINDS.items()}), min_size=1),
    written=st.sampled_from([{}, {"write_statistics": False}, {"write_statistics": ["number", "text"]}]),
)
def test_delta_rs_finds_each_value_by_a_filter(rows: list[dict[str, Any]], written: dict[str, Any]) -> None:
    """Its filters go by the log's bounds, and find nothing by columns that have none."""
    schema = pa.schema({name: kind for name, (kind, _) in KINDS.items()})
    with tempfile.TemporaryDirectory() as folder:
        table = empty(Path(folder), schema)
        pq.write_table(pa.Table.from_pylist(rows, schema), f"{folder}/rows.parquet", **written)
        adopt([Path(folder, "rows.parquet")], table, commit=COMMIT)
        given = DeltaTable(table.table_uri).to_pyarrow_dataset()
        for name, kind in zip(schema.names, schema.types, strict=True):
            values = {row[name] for row in rows} - {None}
            for value in values:
                wanted = ds.field(name) == pa.scalar(value, kind)
                assert value in given.to_table(filter=wanted)[name].to_pylist(), (name, value)
            lacking = sum(row[name] is None for row in rows)
            assert given.count_rows(filter=ds.field(name).is_null()) == lacking


@pytest.mark.parametrize("written", [{}, {"write_statistics": False}])
def test_days_that_python_has_not_have_no_bounds(tmp_path: Path, written: dict[str, Any]) -> None:
    days = pa.array([2932897, -719529], pa.int32()).cast(pa.date32())  # 10000-01-01 and 0000-01-01
    rows = pa.table({"key": [1, 2], "day": days})
    table = empty(tmp_path, rows.schema)
    pq.write_table(rows, tmp_path / "rows.parquet", **written)
    adopt([tmp_path / "rows.parquet"], table, commit=COMMIT)
    assert statistics(table)["minValues"] == {"key": 1}
    assert pq.read_metadata(tmp_path / "rows.parquet").num_rows == DeltaTable(table.table_uri).count()
    assert staged_bounds(str(tmp_path), ["key", "day"]).keys() <= {"key"}


def test_delta_rs_finds_what_a_file_lacks_and_text_whose_bounds_were_not_written(tmp_path: Path) -> None:
    table = empty(tmp_path, pa.schema({"key": pa.int64(), "text": pa.string(), "later": pa.string()}))
    rows = pa.table({"key": [1, 2], "text": ["b", None]})
    with pq.ParquetWriter(tmp_path / "rows.parquet", rows.schema, write_statistics=["key"]) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({NULL_COUNTS: '{"key": 0, "text": 1}'})
    adopt([tmp_path / "rows.parquet"], table, commit=COMMIT)
    read = DeltaTable(tmp_path / "table")
    assert statistics(read)["nullCount"] == {"key": 0, "text": 1, "later": 2}
    assert read.to_pandas(filters=[("text", "=", "b")])["key"].to_list() == [1]
    assert read.to_pyarrow_dataset().count_rows(filter=ds.field("later").is_null()) == 2


def test_lacking_columns_are_null_and_columns_of_a_verdict_are_not_seen(tmp_path: Path) -> None:
    table = empty(tmp_path, pa.schema({"key": pa.int64(), "value": pa.string()}))
    files = adoptable_files(staged(tmp_path, pa.table({"key": [1], "_is_sound": [True]})), table)
    adopt(files, table, commit=COMMIT)
    query = QueryBuilder().register("rows", DeltaTable(tmp_path / "table")).execute("SELECT * FROM rows")
    assert pa.table(query.read_all()).to_pylist() == [{"key": 1, "value": None}]


@pytest.mark.parametrize("rows", [{"key": ["1"]}, {"key": [1], "remark": ["not in the table"]}])
def test_files_of_another_kind_are_not_adopted(tmp_path: Path, rows: dict[str, list[Any]]) -> None:
    table = empty(tmp_path, pa.schema({"key": pa.int64()}))
    assert adoptable_files(staged(tmp_path, pa.table(rows)), table) == []


def test_of_two_first_writers_one_fails(tmp_path: Path) -> None:
    rows = pa.table({"key": [1]})
    table, other = empty(tmp_path, rows.schema), DeltaTable(tmp_path / "table")
    files = adoptable_files(staged(tmp_path, rows), table)
    adopt(files, table, commit=COMMIT)
    with pytest.raises(CommitFailedError):
        adopt(files, other, commit=Commit(metadata="{}", transaction="another"))
    assert DeltaTable(tmp_path / "table").count() == 1
