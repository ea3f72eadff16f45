"""Verdicts on rows of a table with a key, whichever way they are written, against a model of plain Python."""

import shutil
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import Window
from pyspark.sql import functions as F

from lakelib import context, events, tables
from lakelib.engine.plans import is_cheap_to_repeat
from lakelib.tables import judging
from tests.engines import embedded
from tests.tables.conftest import COLOUR

FINDING = "struct<rule: string, column: string, message: string>"
SCHEMA = (
    f"thing_id string, colour string, _delivered_on date, _ingested_at timestamp, _errors array<{FINDING}>, _raw string"
)
WAYS = pytest.mark.parametrize("much", [pytest.param(-1, id="keys_first"), pytest.param(1 << 40, id="rows_first")])

Report = tuple[str | None, str | None, int, bool]

REPORTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", None]),
        st.sampled_from(["red", "blue", None]),
        st.integers(1, 3),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=14,
)


def row(thing, colour, day, is_broken):
    errors = [("number_format", "colour", "is no colour")] if is_broken else []
    return thing, colour, date(2013, 1, day), datetime(2026, 1, day, tzinfo=UTC), errors, None


def judged(reports: list[Report]) -> tuple[Counter[str], dict[str, str | None]]:
    """How many rows get each verdict, and the colour that each thing is accepted with."""
    verdicts: Counter[str] = Counter()
    accepted = {}
    sound = [each for each in reports if each[0] is not None and not each[3]]
    verdicts["quarantined"] = len(reports) - len(sound)
    for thing, of_thing in groupby(sorted(sound, key=lambda each: each[0]), key=lambda each: each[0]):
        days: dict[int, list[str | None]] = {}
        for _, colour, day, _ in of_thing:
            days.setdefault(day, []).append(colour)
        conflicts = [day for day, colours in days.items() if len(set(colours)) > 1]
        verdicts["quarantined"] += sum(len(days.pop(day)) for day in conflicts)
        for is_newest, day in ((day == max(days), day) for day in days):
            verdicts["accepted" if is_newest else "superseded"] += 1
            verdicts["duplicate"] += len(days[day]) - 1
            if is_newest:
                accepted[thing] = days[day][0]
    return verdicts, accepted


def check(lake, reports: list[Report]) -> None:
    shutil.rmtree(lake.project / ".lake", ignore_errors=True)
    tables.merge(lake.df([row(*each) for each in reports], SCHEMA), lake.start("silver.things").contract)
    verdicts, accepted = judged(reports)
    audited = lake.last(events.Audited)
    assert (audited.accepted, audited.superseded, audited.duplicates, audited.quarantined) == tuple(
        verdicts[each] for each in ("accepted", "superseded", "duplicate", "quarantined")
    )
    assert dict(lake.rows("silver.things", "thing_id", "colour")) == accepted


@embedded
@WAYS
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=REPORTS)
def test_every_row_gets_the_verdict_of_the_model(things, monkeypatch, much, reports):
    monkeypatch.setattr(judging, "_MUCH", much)
    check(things, reports)


@WAYS
def test_rows_of_every_kind_get_the_verdict_of_the_model(things, monkeypatch, much):
    monkeypatch.setattr(judging, "_MUCH", much)
    newest_and_broken = [("a", "red", 1, False), ("a", "blue", 2, False), ("a", None, 3, True), ("b", None, 1, True)]
    copies = [("c", "red", 2, False)] * 3 + [("c", None, 1, False)] * 2
    contradictions = [("d", "red", 1, False), ("d", "red", 2, False), ("d", "blue", 2, False), ("d", None, 2, False)]
    without_key = [(None, "red", 1, False), (None, "blue", 1, False)]
    check(things, [*newest_and_broken, *copies, *contradictions, *without_key, ("e", "red", 1, False)])
    assert not list((things.project / ".lake" / "warehouse" / "_staging").glob("*"))


@embedded
@WAYS
def test_what_an_interrupted_write_left_is_in_no_other_s_way(things, monkeypatch, much):
    monkeypatch.setattr(judging, "_MUCH", much)
    run = things.start("silver.things")
    left = things.df([("z", "red")], "thing_id string, colour string")
    for folder in ("", ".computed", ".keys", ".flagged"):
        left.write.parquet(f"{context.current().staging(run.contract.name)}{folder}")
    tables.merge(things.df([row("a", "red", 1, False)] * 2, SCHEMA), run.contract)
    assert things.rows("silver.things", "thing_id") == [("a",)]


KEYS = {
    "binary": [bytearray(b"a"), bytearray(b"a"), bytearray(b"b")],
    "struct<a: int, b: string>": [(1, None), (1, None), (2, "x")],
    "double": [-0.0, 0.0, 1.5],
    "float": [float("nan"), float("nan"), 0.5],
    "decimal(10,2)": [Decimal("1.10"), Decimal("1.1"), Decimal("2")],
    "timestamp": [datetime(2013, 1, 1, tzinfo=UTC)] * 2 + [datetime(2013, 1, 2, tzinfo=UTC)],
    "boolean": [True, True, False],
}


@WAYS
@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_any_type_are_told_apart_as_they_are_compared(lake, monkeypatch, much, kind):
    """The first two are equal, and the newer one counts, though it comes later in any order."""
    monkeypatch.setattr(judging, "_MUCH", much)
    days = [date(2013, 1, 1), date(2013, 1, 2), date(2013, 1, 1)]
    lake.contract(
        "silver.things",
        {"name": "k", "physicalType": kind, "primaryKey": True},
        COLOUR,
        {"name": "day", "physicalType": "date"},
        newestBy="day",
    )
    run = lake.start("silver.things")
    rows = list(zip(KEYS[kind], ["old", "new", "other"], days, strict=True))
    tables.merge(lake.df(rows, f"k {kind}, colour string, day date"), run.contract)
    assert lake.rows("silver.things", "colour") == [("new",), ("other",)]
    assert lake.last(events.Audited).superseded == 1


@WAYS
def test_keys_that_are_others_each_time_come_once_all_the_same(things, monkeypatch, much):
    monkeypatch.setattr(judging, "_MUCH", much)
    run = things.start("silver.things")
    rows = things.df([("red", number) for number in range(500)], "colour string, number int")
    by_chance = rows.select(F.floor(F.expr("rand()") * 1000).cast("string").alias("thing_id"), "colour")
    tables.merge(by_chance, run.contract)
    keys = [key for (key,) in things.rows("silver.things", "thing_id")]
    audited = things.last(events.Audited)
    assert len(keys) == len(set(keys)) == audited.accepted
    assert audited.accepted + audited.duplicates == 500


def test_a_table_whose_files_are_cleaned_up_meanwhile_is_read_all_the_same(things, monkeypatch):
    tables.merge(things.df([row("a", "red", 1, is_broken=False)], SCHEMA), things.start("silver.things").contract)
    run = things.start("silver.things")
    read = tables.read("silver.things")
    (things.project / ".lake/warehouse/silver/things/gone.parquet").symlink_to("nowhere")
    tables.merge(read, run.contract)
    assert things.rows("silver.things", "colour") == [("red",)]


def viewed(df):
    df.createOrReplaceTempView("seen")
    return df.sparkSession.table("seen")


def filed(df, folder):
    df.write.parquet(str(folder))
    return df.sparkSession.read.parquet(str(folder))


def test_keys_are_asked_first_only_where_rows_are_read_one_by_one(things):
    """A join that was made for the keys would be made again for the rows, and what changes is judged as it was then."""
    reports = things.df([("a", "red"), ("b", "blue")], "thing_id string, colour string")
    told = F.expr("CASE WHEN colour IN ('red') AND (NOT isnull(colour)) THEN cast(upper(colour) AS string) END")
    named = reports.where("colour <> 'green'").withColumn("colour", told).alias("r").select("r.*")
    by_row = {
        "plain": named,
        "joined": named.join(reports.select("thing_id"), "thing_id"),
        "grouped": named.groupBy("thing_id").agg(F.max("colour").alias("colour")),
        "ranked": named.withColumn("rank", F.row_number().over(Window.partitionBy("thing_id").orderBy("colour"))),
        "python": named.withColumn("colour", F.udf(str.lower)("colour")),
        "text": named.selectExpr("thing_id", "row_number() OVER (ORDER BY colour) AS rank"),
        "view": viewed(named),
        "chance": named.withColumn("number", F.expr("rand()")),
        "clock": named.withColumn("at", F.current_timestamp()),
        "called": named.withColumn("number", F.call_function("`rand`")),
        "registered": named.withColumn("number", F.expr("registered(colour)")),
        "locked": named.withColumn("number", F.expr("base64(try_aes_encrypt(colour, '0123456789abcdef'))")),
        "file": filed(named, things.project / "rows"),
    }
    assert [name for name, df in by_row.items() if is_cheap_to_repeat(df)] == ["plain"]
