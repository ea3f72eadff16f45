from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from lakelib import events, tables
from lakelib.errors import SchemaError, TableNameError
from tests.engines import embedded
from tests.tables.conftest import THING_ID

SCHEMA = "thing_id string, colour string, _delivered_on date, _ingested_at timestamp"


def report(thing, colour, day, second=0):
    return thing, colour, date(2013, 1, day), datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)


def merge(lake, *reports):
    run = lake.start("silver.things")
    tables.merge(lake.df(list(reports), SCHEMA), run.contract)
    return lake.last(events.Published)


def test_new_keys_are_inserted_and_newer_reports_replace_older_ones(things):
    merge(things, report("a", "red", 1), report("b", "red", 1))
    published = merge(things, report("a", "blue", 2), report("c", "red", 2))
    assert (published.inserted, published.updated) == (1, 1)
    assert things.rows("silver.things", "thing_id", "colour") == [("a", "blue"), ("b", "red"), ("c", "red")]


@embedded
def test_an_older_report_that_comes_later_changes_nothing(things):
    merge(things, report("a", "blue", 2))
    assert not merge(things, report("a", "red", 1)).is_committed
    assert things.rows("silver.things", "colour") == [("blue",)]


def test_a_report_without_a_time_is_the_oldest(lake):
    lake.contract("silver.things", THING_ID, {"name": "day", "physicalType": "date"}, newestBy="day")
    for days in [(None, date(2013, 1, 1)), (date(2013, 1, 1), None)]:
        contract = lake.start("silver.things").contract
        tables.merge(lake.df([*zip("ab", days, strict=True)], "thing_id string, day date"), contract)
    assert lake.rows("silver.things", "day") == [(date(2013, 1, 1),)] * 2


@embedded
def test_merging_the_same_again_makes_no_commit(things):
    first = merge(things, report("a", "red", 1))
    again = merge(things, report("a", "red", 1))
    assert (again.is_committed, again.version) == (False, first.version)


@embedded
def test_a_report_of_the_same_day_with_other_values_replaces(things):
    merge(things, report("a", "red", 1))
    merge(things, report("a", "blue", 1, second=5))
    assert things.rows("silver.things", "colour") == [("blue",)]


def test_of_one_batch_the_newest_report_counts_and_the_books_close(things):
    merge(things, report("a", "red", 1), report("a", "blue", 2), report("a", "blue", 2), report("b", None, 1))
    audited = things.last(events.Audited)
    assert (audited.accepted, audited.superseded, audited.duplicates, audited.quarantined) == (2, 1, 1, 0)
    assert things.rows("silver.things", "thing_id", "colour") == [("a", "blue"), ("b", None)]


@embedded
def test_of_one_batch_s_reports_of_a_day_the_one_that_was_ingested_last_counts(things):
    merge(things, report("a", "red", 1, second=1), report("a", "blue", 1, second=2))
    assert things.last(events.Audited).superseded == 1
    assert things.rows("silver.things", "colour") == [("blue",)]


def test_of_rows_that_are_the_same_in_everything_one_counts(things):
    merge(things, *[report("a", "red", 1)] * 3)
    assert things.last(events.Audited).duplicates == 2
    assert things.rows("silver.things", "thing_id", "colour") == [("a", "red")]


def test_rows_of_one_delivery_that_contradict_each_other_are_quarantined(things):
    merge(things, report("a", "red", 1), report("a", "green", 2), report("a", "blue", 2))
    assert things.rows("silver.things", "colour") == [("red",)]
    assert things.rows("quarantine.silver__things", "rules") == [(["duplicate_conflict"],), (["duplicate_conflict"],)]


def test_values_that_change_places_with_nulls_contradict_each_other(lake):
    text = {"physicalType": "string"}
    lake.contract("silver.pairs", {"name": "k", "primaryKey": True, **text}, *({"name": x, **text} for x in "ab"))
    run = lake.start("silver.pairs")
    tables.merge(lake.df([("1", "red", None), ("1", None, "red")], "k string, a string, b string"), run.contract)
    assert lake.last(events.Audited).quarantined == 2


def test_null_and_a_value_are_different(things):
    merge(things, report("a", None, 1))
    assert merge(things, report("a", "red", 1)).updated == 1
    assert merge(things, report("a", None, 1)).updated == 1


def test_nan_stays_what_it_is_beside_values_that_are_all_equal(lake):
    """Sail takes a column for constant whose least value is its greatest, by statistics that leave NaN out."""
    value = {"name": "value", "physicalType": "double"}
    lake.contract("silver.readings", THING_ID, value, {"name": "day", "physicalType": "int"}, newestBy="day")

    def held(write, *rows):
        run = lake.start("silver.readings")
        write(lake.df(list(rows), "thing_id string, value double, day int"), run.contract)
        return {row["thing_id"]: str(row["value"]) for row in tables.read("silver.readings").collect()}

    nan = float("nan")
    assert held(tables.merge, ("a", nan, 1), ("b", 0.5, 1)) == {"a": "nan", "b": "0.5"}
    assert held(tables.merge, ("b", nan, 2), ("c", 0.5, 1)) == {"a": "nan", "b": "nan", "c": "0.5"}
    assert held(tables.overwrite, ("a", nan, 3), ("c", 0.5, 1)) == {"a": "nan", "c": "0.5"}


def test_values_of_many_digits_are_found_after_a_merge(lake):
    """Readers leave out files by bounds, which delta-rs would write narrower than these values."""
    kinds = {
        "double": 0.1 + 0.2,
        "decimal(20,0)": Decimal(17446744073709551557),
        "decimal(18,2)": Decimal("1234567890123456.78"),
    }
    columns = [{"name": f"c{number}", "physicalType": kind} for number, kind in enumerate(kinds)]
    lake.contract("silver.readings", THING_ID, *columns)
    schema = "thing_id string, " + ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds))
    for names in ("a", "bc", "cd"):
        run = lake.start("silver.readings")
        tables.merge(lake.df([(name, *kinds.values()) for name in names], schema), run.contract)
    held = tables.read("silver.readings")
    table = DeltaTable(lake.project / ".lake/warehouse/silver/readings")
    for number, (kind, value) in enumerate(kinds.items()):
        assert held.where(F.col(f"c{number}") == F.lit(value).cast(kind)).count() == 4, kind
        if lake.engine.name == "embedded":
            assert len(table.to_pandas(filters=[(f"c{number}", "=", value)])) == 4, kind


def test_text_that_ends_lines_elsewhere_breaks_no_log(lake):
    lake.contract("silver.notes", THING_ID, {"name": "text", "physicalType": "string"})
    for text in ("a\x85b", "a\u2028b", "a\u2029b\r\n\x0b\x1c"):
        run = lake.start("silver.notes")
        tables.merge(lake.df([("a", text)], "thing_id string, text string"), run.contract)
        assert lake.rows("silver.notes", "text") == [(text,)]
    assert len(tables.history("silver.notes")) == 4


@embedded
def test_of_a_file_with_floats_the_log_tells_bounds_of_all_other_columns(lake):
    value, day = {"name": "value", "physicalType": "double"}, {"name": "day", "physicalType": "date"}
    lake.contract("silver.readings", THING_ID, value, day)
    rows = [("a", float("nan"), date(2013, 1, 1)), ("b", None, date(2013, 1, 3)), ("c", 0.5, None)]
    run = lake.start("silver.readings")
    tables.merge(lake.df(rows, "thing_id string, value double, day date"), run.contract)
    path = lake.project / ".lake/warehouse/silver/readings"
    (added,) = pa.table(DeltaTable(path).get_add_actions(flatten=True)).to_pylist()
    assert (added["min.thing_id"], added["max.thing_id"]) == ("a", "c")
    assert (str(added["min.day"]), str(added["max.day"])) == ("2013-01-01", "2013-01-03")
    assert (added["null_count.value"], added["null_count.day"], added["num_records"]) == (1, 1, 3)
    assert added.get("min.value") is None


@embedded
def test_every_commit_carries_the_run_id(things):
    merge(things, report("a", "red", 1))
    run_id = things.rows("silver.things", "_run_id")[0][0]
    assert all(run_id in version.metadata for version in tables.history("silver.things"))
    assert '"mode": "interactive"' in tables.history("silver.things")[0].metadata


@embedded
def test_a_notebook_writes_only_its_own_table(things):
    things.contract("silver.others", {"name": "thing_id", "physicalType": "string", "primaryKey": True})
    other = things.start("silver.others").contract
    things.start("silver.things")
    with pytest.raises(TableNameError, match=r"started for silver\.things writes silver\.others"):
        tables.merge(things.df([("a",)], "thing_id string"), other)


@embedded
def test_a_merge_needs_a_key(lake):
    lake.contract("silver.loose", {"name": "colour", "physicalType": "string"})
    run = lake.start("silver.loose")
    with pytest.raises(SchemaError, match="names no key"):
        tables.merge(lake.df([("red",)], "colour string"), run.contract)


@embedded
@pytest.mark.parametrize("newest_by", [[], ["day"], ["day", "second"], ["day", "second", "colour"]], ids=len)
def test_a_merge_into_a_large_table_is_the_same_merge(lake, monkeypatch, newest_by):
    """The embedded engine makes it in another way."""
    values = list(product([None, 1, 2], [None, 1, 2], [None, "blue", "red"]))
    held = [(number, *values[number % len(values)]) for number in range(len(values) ** 2)]
    given = [(number, *values[number // len(values) % len(values)]) for number in range(len(values) ** 2 + 5)][5:]
    columns = [{"name": name, "physicalType": kind} for name, kind in (("day", "int"), ("second", "int"))]
    key = {"name": "number", "physicalType": "int", "primaryKey": True, "primaryKeyPosition": 1}
    told = {}
    for name, little in (("silver.small", 1 << 40), ("silver.large", 0)):
        monkeypatch.setattr("lakelib.engine.embedded._LITTLE", little)
        lake.contract(name, key, *columns, {"name": "colour", "physicalType": "string"}, newestBy=newest_by)
        for rows in (held, given, given):
            run = lake.start(name)
            tables.merge(lake.df(rows, "number int, day int, second int, colour string"), run.contract)
            told.setdefault(name, []).append(replace(lake.last(events.Published), table="", seconds=0))
        told[name].append(lake.rows(name, "number", "day", "second", "colour"))
    assert told["silver.large"] == told["silver.small"]
    assert [tables.history(name, limit=1)[0].operation for name in told] == ["MERGE", "WRITE"]


REPORTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["red", "blue", None]), st.integers(1, 5)),
    min_size=1,
    max_size=12,
    unique_by=lambda each: (each[0], each[2]),
)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=REPORTS, order=st.randoms(use_true_random=False))
def test_any_order_of_batches_gives_the_same_rows(things, reports, order):
    newest = {thing: colour for thing, colour, _ in sorted(reports, key=lambda each: each[2])}
    batches = [report(*each) for each in reports]
    order.shuffle(batches)
    half = len(batches) // 2
    tables_before = things.project / ".lake"
    for batch in (batches[:half], batches[half:]):
        if batch:
            merge(things, *batch)
    assert dict(things.rows("silver.things", "thing_id", "colour")) == newest
    _forget(tables_before)


def _forget(folder):
    import shutil

    shutil.rmtree(folder)
