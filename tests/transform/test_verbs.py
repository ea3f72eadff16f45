from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from lakelib.transform import (
    UNKNOWN_SK,
    calendar_years,
    in_groups_of,
    newest_delivery,
    ratio,
    with_date_text,
    with_surrogate_key,
    with_unknown_member,
)


def test_surrogate_keys_depend_on_the_natural_key_alone_and_are_the_same_on_every_engine(engine):
    rows = engine.session.createDataFrame([("JFK",), ("LGA",), ("JFK",)], "faa string")
    keys = [row["sk"] for row in rows.transform(with_surrogate_key, "sk", of=["faa"]).collect()]
    assert keys == [4563871268675832, keys[1], 4563871268675832]
    assert keys[1] != keys[0]
    assert all(0 <= key < 2**53 for key in keys)


def test_rows_of_a_file_that_all_have_the_same_natural_key_get_its_surrogate_key(engine, tmp_path):
    pq.write_table(pa.table({"faa": ["JFK", "JFK"]}), tmp_path / "same.parquet")
    rows = engine.session.read.parquet(str(tmp_path / "same.parquet")).transform(with_surrogate_key, "sk", of=["faa"])
    assert [row["sk"] for row in rows.collect()] == [4563871268675832] * 2


def test_the_unknown_member_is_one_more_row(engine):
    members = engine.session.createDataFrame([(7, "JFK", "Kennedy")], "sk bigint, faa string, name string")
    rows = members.transform(with_unknown_member, sk=UNKNOWN_SK, name="Unknown").orderBy("sk").collect()
    assert [tuple(row) for row in rows] == [(-1, None, "Unknown"), (7, "JFK", "Kennedy")]


def test_ratios_round_half_to_even_and_are_null_without_a_divisor(engine):
    pairs = [(1, 3), (2, 3), (1, 0), (None, 3), (100, 128), (-1, 3), (0, 5)]
    rows = engine.session.createDataFrame(pairs, "above bigint, below bigint")
    found = [row[0] for row in rows.select(ratio(F.col("above"), F.col("below"))).collect()]
    assert found == [0.3333, 0.6667, None, None, 0.7812, -0.3333, 0.0]


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-(2**20), 2**20), st.sampled_from([7, 32, 160, 320, 1600, 4999])), min_size=200))
def test_ratios_are_rounded_as_python_rounds(engine, pairs):
    rows = engine.session.createDataFrame(pairs, "above bigint, below bigint")
    rounded = rows.select("above", "below", ratio(F.col("above"), F.col("below")).alias("ratio")).collect()
    assert [row for row in rounded if row["ratio"] != round(row["above"] / row["below"], 4)] == []


def test_date_parts_become_iso_text(engine):
    rows = engine.session.createDataFrame(
        [("2013", "2", "30"), ("2013", " 12", "1"), ("2013", None, "1")], "y string, m string, d string"
    )
    texts = [row["text"] for row in rows.transform(with_date_text, "text", year="y", month="m", day="d").collect()]
    assert texts == ["2013-02-30", "2013-12-01", "2013-01"]


def test_a_calendar_has_every_day_of_the_years_that_occur(engine):
    days = engine.session.createDataFrame(
        [(date(2012, 5, 1),), (date(2012, 6, 1),), (date(2014, 1, 1),), (None,)], "d date"
    )
    found = [row["date"] for row in days.transform(calendar_years, of="d").orderBy("date").collect()]
    assert (len(found), found[0], found[365], found[366]) == (
        731,
        date(2012, 1, 1),
        date(2012, 12, 31),
        date(2014, 1, 1),
    )


def test_only_groups_in_which_something_changed_are_kept(engine):
    legs = engine.session.createDataFrame([(1, "A"), (2, "A"), (3, "B")], "leg int, carrier string")
    kept = legs.transform(in_groups_of, legs.where("leg = 2"), by=["carrier"]).orderBy("leg").collect()
    assert [row["leg"] for row in kept] == [1, 2]


def test_the_newest_delivery_is_of_the_latest_day_and_of_those_the_last_ingested(engine):
    noon, later = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=UTC)
    rows = [(1, date(2013, 1, 5), noon), (2, date(2013, 1, 5), later), (3, date(2013, 1, 1), later), (4, None, later)]
    delivered = engine.session.createDataFrame(rows, "n int, _delivered_on date, _ingested_at timestamp")
    assert [row["n"] for row in delivered.transform(newest_delivery).collect()] == [2]
