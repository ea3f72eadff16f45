import math
import os
import time
from datetime import UTC, date, datetime

import pytest

from lakelib import Interval, events, tables
from lakelib.engine import Commit
from lakelib.errors import EngineError, RuleError, SchemaError, TableNotFoundError, UsageError
from tests.engines import embedded

DAY = {"name": "day", "physicalType": "date"}
NUMBER = {"name": "number", "physicalType": "int"}


def day(number):
    return date(2013, 1, number)


@pytest.fixture
def counts(lake):
    lake.contract("gold.counts", DAY, NUMBER)
    return lake


@pytest.fixture
def in_tokyo():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def test_replacing_an_interval_leaves_other_days_alone(counts):
    run = counts.start("gold.counts")
    tables.append(counts.df([(day(1), 1), (day(2), 2), (day(3), 3)], "day date, number int"), run.contract, batch="day")
    interval = Interval(day(2), day(3))
    tables.replace(counts.df([(day(2), 20)], "day date, number int"), run.contract, interval=interval, on="day")
    assert counts.rows("gold.counts", "day", "number") == [(day(1), 1), (day(2), 20)]


@embedded
@pytest.mark.parametrize("outside", [day(9), None])
def test_replacing_refuses_rows_outside_of_the_interval(counts, outside):
    run = counts.start("gold.counts")
    rows = counts.df([(day(2), 1), (outside, 1)], "day date, number int")
    with pytest.raises(RuleError, match="outside of it"):
        tables.replace(rows, run.contract, interval=Interval(day(2), day(3)), on="day")


def test_replacing_with_nothing_empties_the_interval(counts):
    run = counts.start("gold.counts")
    tables.append(counts.df([(day(1), 1), (day(2), 2)], "day date, number int"), run.contract, batch="day")
    tables.replace(counts.df([], "day date, number int"), run.contract, interval=Interval(day(2), day(2)), on="day")
    assert counts.rows("gold.counts", "day", "number") == [(day(1), 1)]


def test_appending_a_batch_again_doubles_nothing(counts):
    run = counts.start("gold.counts")
    for _ in range(2):
        tables.append(counts.df([(day(1), 1), (day(1), 2)], "day date, number int"), run.contract, batch="day")
    tables.append(counts.df([(day(2), 3)], "day date, number int"), run.contract, batch="day")
    assert counts.rows("gold.counts", "day", "number") == [(day(1), 1), (day(1), 2), (day(2), 3)]


@pytest.mark.parametrize(
    ("name", "kind", "batches"),
    [
        ("source", "string", [None, "it's"]),
        ("source", "string", [None]),
        ("is_late", "boolean", [True, False]),
        ("the batch", "string", ["a", "b"]),
        ("asked_at", "timestamp", [datetime(2013, 1, 1, 9, 30, 0, 5, tzinfo=UTC)]),
        ("share", "double", [0.1, 1e20, math.nan]),
        ("digest", "binary", [b"\x00a", b"'"]),
    ],
)
@pytest.mark.usefixtures("in_tokyo")
@embedded
def test_a_batch_is_told_by_any_value_of_any_column(lake, name, kind, batches):
    lake.contract("gold.counts", {"name": name, "physicalType": kind}, NUMBER)
    for number in (1, 2):
        rows = lake.df([(batch, number) for batch in batches], f"`{name}` {kind}, number int")
        tables.append(rows, lake.start("gold.counts").contract, batch=name)
    assert lake.rows("gold.counts", "number") == [(2,)] * len(batches)


def test_an_interval_is_replaced_by_a_column_of_any_name(lake):
    lake.contract("gold.counts", DAY | {"name": "the day"}, NUMBER)
    for number in (1, 2):
        rows = lake.df([(day(1), number)], "`the day` date, number int")
        contract = lake.start("gold.counts").contract
        tables.replace(rows, contract, interval=Interval(day(1), day(1)), on="the day")
    assert lake.rows("gold.counts", "number") == [(2,)]


def test_overwriting_inserts_updates_and_deletes_and_leaves_equal_rows_alone(things):
    run = things.start("silver.things")
    things.start("silver.things")
    tables.overwrite(
        things.df([("a", "red"), ("b", "red"), ("c", "red")], "thing_id string, colour string"), run.contract
    )
    first = dict(things.rows("silver.things", "thing_id", "_run_id"))
    run = things.start("silver.things")
    tables.overwrite(
        things.df([("a", "red"), ("b", "blue"), ("d", "red")], "thing_id string, colour string"), run.contract
    )
    published = things.last(events.Published)
    assert (published.inserted, published.updated, published.deleted) == (1, 1, 1)
    assert dict(things.rows("silver.things", "thing_id", "_run_id"))["a"] == first["a"]


@embedded
def test_an_overwrite_that_would_delete_most_keys_is_held(things):
    run = things.start("silver.things")
    tables.overwrite(things.df([(c, "red") for c in "abcd"], "thing_id string, colour string"), run.contract)
    with pytest.raises(RuleError, match="3 of its 4 keys would go"):
        tables.overwrite(things.df([("a", "red")], "thing_id string, colour string"), run.contract)
    with pytest.raises(RuleError, match="4 of its 4 keys would go"):
        tables.overwrite(things.df([], "thing_id string, colour string"), run.contract)
    assert len(things.rows("silver.things")) == 4
    tables.overwrite(things.df([("a", "red"), ("b", "red")], "thing_id string, colour string"), run.contract)
    assert len(things.rows("silver.things")) == 2, "half is not most"


@embedded
@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ("thing_id string", "colour is missing"),
        ("thing_id string, colour string, size int", "size is not in the contract"),
        ("thing_id string, colour int", "colour is int, promised string"),
    ],
)
def test_columns_that_are_not_the_contracts_are_refused_before_anything_is_written(things, schema, says):
    run = things.start("silver.things")
    with pytest.raises(SchemaError, match=says):
        tables.merge(things.df([], schema), run.contract)
    assert not (things.project / ".lake" / "warehouse").exists()


def test_a_run_sees_one_version_of_a_table_and_then_its_own(things):
    run = things.start("silver.things")
    assert tables.read("silver.things").count() == 0
    tables.overwrite(things.df([("a", "red")], "thing_id string, colour string"), run.contract)
    before = tables.read("silver.things")
    tables.overwrite(things.df([("a", "blue")], "thing_id string, colour string"), run.contract)
    assert before.first()["colour"] == "red"
    assert tables.read("silver.things").first()["colour"] == "blue"


@embedded
def test_a_table_that_is_not_there_says_how_to_load_it(things):
    things.contract("gold.other", DAY)
    things.start("gold.other")
    (things.project / "notebooks" / "silver").mkdir(parents=True)
    (things.project / "notebooks" / "silver" / "things.ipynb").touch()
    with pytest.raises(TableNotFoundError, match=r"lake run silver\.things --with-upstream"):
        tables.read("silver.things")


def test_restoring_brings_an_old_version_back_as_a_new_one(things):
    run = things.start("silver.things")
    tables.overwrite(things.df([("a", "red")], "thing_id string, colour string"), run.contract)
    version = things.last(events.Published).version
    tables.overwrite(things.df([("a", "blue")], "thing_id string, colour string"), run.contract)
    assert tables.restore("silver.things", version=version) > version
    assert things.rows("silver.things", "colour") == [("red",)]
    assert [each.operation for each in tables.history("silver.things", limit=1)] == ["RESTORE"]
    with pytest.raises(EngineError, match="99"):
        tables.restore("silver.things", version=99)


@embedded
def test_staging_is_empty_after_a_write(things):
    run = things.start("silver.things")
    tables.overwrite(things.df([("a", "red")], "thing_id string, colour string"), run.contract)
    assert not list((things.project / ".lake" / "warehouse" / "_staging").glob("*"))


@embedded
def test_a_contract_that_is_not_the_tables_any_more_is_said_before_anything_is_written(things):
    run = things.start("silver.things")
    tables.overwrite(things.df([("a", "red")], "thing_id string, colour string"), run.contract)
    size = {"name": "size", "physicalType": "int"}
    things.contract("silver.things", {"name": "thing_id", "physicalType": "string", "primaryKey": True}, size)
    run = things.start("silver.things")
    with pytest.raises(SchemaError, match="size \\(int\\) comes; colour \\(string\\) goes"):
        tables.overwrite(things.df([("a", 1)], "thing_id string, size int"), run.contract)
    assert things.rows("silver.things", "colour") == [("red",)]


@embedded
def test_staging_of_a_run_that_failed_long_ago_is_deleted(things):
    left = things.project / ".lake" / "warehouse" / "_staging" / "old run"
    left.mkdir(parents=True)
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(left, (week_ago, week_ago))
    run = things.start("silver.things")
    tables.overwrite(things.df([("a", "red")], "thing_id string, colour string"), run.contract)
    assert not left.exists()


@embedded
@pytest.mark.parametrize(
    "write",
    [
        lambda df, contract: tables.append(df, contract, batch="day"),
        lambda df, contract: tables.replace(df, contract, interval=Interval(day(1), day(1)), on="day"),
        tables.merge,
        tables.overwrite,
    ],
)
def test_a_verb_wants_rows_and_a_contract(counts, write):
    run = counts.start("gold.counts")
    with pytest.raises(UsageError, match=r"contract of the table to write was asked for; 'gold\.counts' was given"):
        write(counts.df([(day(1), 1)], "day date, number int"), "gold.counts")
    with pytest.raises(UsageError, match=r"DataFrame of PySpark; a builtins\.list was given"):
        write([(day(1), 1)], run.contract)


@embedded
def test_the_summary_says_that_nothing_is_written_until_something_is(counts):
    run = counts.start("gold.counts")
    warned = ("published", "nothing yet")
    assert warned in run.summary().lines()
    tables.append(counts.df([], "day date, number int"), run.contract, batch="day")
    assert warned not in run.summary().lines()


@embedded
def test_a_missing_column_is_looked_for_in_what_the_run_read(things):
    things.contract("bronze.raw", {"name": "Color", "physicalType": "string"})
    path = str(things.project / ".lake/warehouse/bronze/raw")
    things.engine.create(path, things.df([], "Color string").schema, commit=Commit("{}", "made"))
    run = things.start("silver.things")
    tables.read("bronze.raw")
    with pytest.raises(SchemaError, match="colour is missing") as refused:
        tables.merge(things.df([("a", "b")], "thing_id string, thing string"), run.contract)
    assert "Is colour what is called Color of bronze.raw? End" in refused.value.hint
