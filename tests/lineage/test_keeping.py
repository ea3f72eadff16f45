"""Lineage that was kept is that of the plan as it is now, and is told where nothing that it depends on has changed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from shutil import rmtree

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from upath import UPath

from lakelib.engine import Commit
from lakelib.engine.delta_log import add_missing_columns, create_table
from lakelib.lineage import Lineage, keeping
from lakelib.lineage.asking import Asked
from lakelib.lineage.canonical import Canonical
from lakelib.lineage.plan import View
from lakelib.lineage.sql import parse_query
from tests.lineage.conftest import Shop, direct, rows
from tests.lineage.odd_shapes import ODD_DATAFRAMES
from tests.lineage.shapes import SHAPES, Shape

# The engine names their columns, or a Python function makes them, or a plan inside an expression is such a one.
FOLLOWED_ANEW = {
    *("cast", "aggregate, named by the engine", "pivot", "pivot of two", "crosstab", "describe", "summary"),
    *("mapInPandas", "applyInPandas", "cogrouped", "scalar subquery of a frame"),
}
THINGS = "thing_id int, colour string, weight double"


@pytest.fixture
def things(shop: Shop, tmp_path: Path) -> Shop:
    """`silver.things`, of this test alone."""
    made = Shop(shop.session, UPath(tmp_path / "warehouse"))
    make_things(made, THINGS)
    shop.begin_anew()
    return made


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    return tmp_path / "plans"


def folder(things: Shop) -> str:
    return str(things.warehouse / "silver" / "things")


def make_things(things: Shop, schema: str) -> None:
    create_table(folder(things), things.session.createDataFrame([], schema).schema, commit=Commit("{}", "make"))


def add_rows(things: Shop) -> None:
    row = {"thing_id": pa.array([1], pa.int32()), "colour": ["red"], "weight": [0.5]}
    write_deltalake(folder(things), pa.table(row), mode="append")


def read(things: Shop, version: int = 0) -> DataFrame:
    return things.read("silver.things", version)


def of_two(df: DataFrame, side: int) -> DataFrame:
    sides = [df.select("thing_id", F.col(name).cast("string").alias("told")) for name in ("colour", "weight")]
    return sides[0].join(sides[1], sides[0]["thing_id"] == sides[1]["thing_id"]).select(sides[side]["told"])


def named(df: DataFrame, text: str, name: str) -> DataFrame:
    df.createOrReplaceTempView("things")
    return df.sparkSession.sql(text.replace("{things}", "things"), args={"name": name})


@pytest.mark.filterwarnings("ignore:.*No Partition Defined")
@pytest.mark.parametrize("shape", [*SHAPES, *ODD_DATAFRAMES], ids=lambda shape: shape.name)
def test_kept_lineage_is_that_of_another_run(shape: Shape, shop: Shop, plans: Path) -> None:
    told: list[Lineage] = []
    for _ in range(2):
        shop.begin_anew()
        told.append(shop.trace(shape.make(shop), plans))
    assert told[0] == told[1]
    assert [each.is_kept for each in told] == [False, shape.name not in FOLLOWED_ANEW]


Change = Callable[[DataFrame], DataFrame]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lambda df: df.select("colour"), lambda df: df.select("weight")),
        (lambda df: df.select(F.col("colour").alias("a")), lambda df: df.select(F.col("weight").alias("a"))),
        (lambda df: df.where("weight > 1").select("colour"), lambda df: df.where("thing_id > 1").select("colour")),
        (lambda df: df.where(F.col("weight") > 1), lambda df: df.where(F.col("thing_id") > 1)),
        (lambda df: df.where(F.col("weight") > 1), lambda df: df),
        (lambda df: df.where(df["weight"] > 1), lambda df: df.where(df["thing_id"] > 1)),
        (
            lambda df: df.groupBy("thing_id").pivot("colour", ["red"]).agg(F.max("weight")),
            lambda df: df.groupBy("thing_id").pivot("colour", ["red", "blue"]).agg(F.max("weight")),
        ),
        (
            lambda df: df.select(F.struct("colour", "weight").alias("s")).select(F.col("s")["colour"].alias("a")),
            lambda df: df.select(F.struct("colour", "weight").alias("s")).select(F.col("s")["weight"].alias("a")),
        ),
        (
            lambda df: df.select(F.named_struct(F.lit("a"), "colour", F.lit("b"), "weight").alias("s")).select("s.a"),
            lambda df: df.select(F.named_struct(F.lit("b"), "colour", F.lit("a"), "weight").alias("s")).select("s.a"),
        ),
        (
            lambda df: df.select(F.stack(F.lit(1), "colour", F.col("weight").cast("string"))),
            lambda df: df.select(F.stack(F.lit(2), "colour", F.col("weight").cast("string"))),
        ),
        (lambda df: df.select(F.lit("a")), lambda df: df.select(F.lit("b"))),
        (
            lambda df: named(df, "SELECT IDENTIFIER(:name) AS a FROM {things}", "colour"),
            lambda df: named(df, "SELECT IDENTIFIER(:name) AS a FROM {things}", "weight"),
        ),
        (lambda df: of_two(df, 0), lambda df: of_two(df, 1)),
        (
            lambda df: df.withColumnsRenamed({"colour": "x", "x": "told"}),
            lambda df: df.withColumnsRenamed({"x": "told", "colour": "x"}),
        ),
        (
            lambda df: df.selectExpr("transform(array(colour), x -> x) AS a"),
            lambda df: df.selectExpr("transform(array(colour), y -> colour || weight) AS a"),
        ),
    ],
)
def test_a_changed_plan_is_followed_anew(before: Change, after: Change, things: Shop, plans: Path) -> None:
    things.trace(before(read(things)), plans)
    things.begin_anew()
    changed = things.trace(after(read(things)), plans)
    assert not changed.is_kept
    assert changed == things.trace(after(read(things)))
    assert changed != things.trace(before(read(things)))


@pytest.mark.parametrize(
    "build",
    [
        lambda df, day: df.where(F.col("colour").between(F.lit(day), F.lit(day))),
        lambda df, day: df.where(F.col("colour").isin([str(each) for each in range(day.day)])),
        lambda df, day: df.withColumn("day", F.lit(day)).select("day", F.lit(str(day)).alias("text"), "colour"),
        lambda df, day: df.select(F.when(F.col("colour") == str(day), F.lit(day)).alias("day")),
        lambda df, day: df.sample(0.5).select("colour", F.rand().alias("chance")),
        lambda df, day: df.join(df.sparkSession.createDataFrame([(str(day),)] * day.day, "colour string"), "colour"),
        lambda df, day: df.select(F.transform(F.array("colour"), lambda x: F.concat(x, F.lit(str(day)))).alias("a")),
        lambda df, day: df.sparkSession.sql("SELECT colour FROM {things}", things=df.where(F.col("colour") > str(day))),
        lambda df, day: named(df, "SELECT colour FROM {things} WHERE colour > :name", str(day)),
    ],
    ids=["between", "in", "column", "when", "sample", "rows made in Python", "lambda", "frame in a text", "parameter"],
)
def test_another_day_is_not_followed_anew(
    build: Callable[[DataFrame, date], DataFrame], things: Shop, plans: Path
) -> None:
    things.trace(build(read(things), date(2013, 1, 2)), plans)
    things.begin_anew()
    next_day = build(read(things), date(2013, 1, 31))
    kept = things.trace(next_day, plans)
    assert kept.is_kept
    assert kept == things.trace(next_day)


def test_another_version_with_the_same_columns_is_told_as_it_is(things: Shop, plans: Path) -> None:
    things.trace(read(things), plans)
    for version in (1, 2):
        add_rows(things)
        kept = things.trace(read(things, version), plans)
        assert kept.is_kept
        assert {origin.version for origin in kept.columns["colour"]} == {version}
        assert kept == things.trace(read(things, version))
    assert things.trace(read(things, 1), plans) == things.trace(read(things, 1))


def test_two_versions_of_a_table_are_not_taken_for_one(things: Shop, plans: Path) -> None:
    def both(first: int, second: int) -> DataFrame:
        new = read(things, second).select("thing_id", F.col("colour").alias("new"))
        return read(things, first).join(new, "thing_id").select("colour", "new")

    add_rows(things)
    add_rows(things)
    things.trace(both(0, 0), plans)
    assert [things.trace(both(*two), plans).is_kept for two in [(0, 1), (1, 2), (1, 1)]] == [False, True, True]
    assert things.trace(both(1, 2), plans) == things.trace(both(1, 2))


def test_a_version_that_a_text_names_stays_what_it_is(things: Shop, plans: Path) -> None:
    add_rows(things)

    def told(version: int) -> DataFrame:
        read(things, version).createOrReplaceTempView("things")
        text = "SELECT a.colour, b.weight FROM things a, delta.`{}` VERSION AS OF 0 b"
        return things.session.sql(text.format(folder(things)))

    for version in (0, 1):
        things.begin_anew()
        assert things.trace(told(version), plans) == things.trace(told(version))


def test_a_view_over_another_version_is_told_as_it_is(things: Shop, plans: Path) -> None:
    def told(version: int) -> Lineage:
        things.begin_anew()
        read(things, version).where(F.col("weight") > version).createOrReplaceTempView("heavy")
        return things.trace(things.session.sql("SELECT colour FROM heavy"), plans)

    add_rows(things)
    told(0)
    kept = told(1)
    assert kept.is_kept
    assert {origin.version for origin in kept.columns["colour"]} == {1}


def test_a_view_of_other_columns_is_followed_anew(things: Shop, plans: Path) -> None:
    def told(column: str) -> Lineage:
        things.begin_anew()
        read(things).select(F.col(column).alias("a")).createOrReplaceTempView("one")
        return things.trace(things.session.sql("SELECT a FROM one"), plans)

    told("colour")
    assert direct(told("thing_id")) == {"a": {"things.thing_id"}}


def test_a_new_column_upstream_is_told(things: Shop, plans: Path) -> None:
    things.trace(read(things), plans)
    wider = things.session.createDataFrame([], f"{THINGS}, size int").schema
    add_missing_columns(DeltaTable(folder(things)), wider, commit=Commit("{}", "widen"))
    changed = things.trace(read(things, 1), plans)
    assert not changed.is_kept
    assert direct(changed)["size"] == {"things.size"}


def test_columns_of_another_table_in_the_same_place_are_told(things: Shop, plans: Path) -> None:
    fields = [F.col("colour"), F.col("weight")]
    chosen = [F.struct(*fields).alias("s")]
    things.trace(read(things).select(*chosen, "*"), plans)
    rmtree(folder(things))
    make_things(things, "thing_id int, colour struct<name:string,code:int>, weight double, size int")
    changed = things.trace(read(things).select(*chosen, "*"), plans)
    assert not changed.is_kept
    assert set(changed.columns) == {"s", "thing_id", "colour", "weight", "size"}


def test_a_source_that_is_no_table_of_the_lake_is_asked_for_its_columns(
    things: Shop, plans: Path, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    told = []
    for content in ("a,b\n1,2\n", "a,b\n3,4\n", "a,c\n1,2\n"):
        file.write_text(content)
        told.append(things.trace(things.session.read.option("header", "true").csv(str(file)), plans))
    assert [each.is_kept for each in told] == [False, True, False]
    assert [list(each.columns) for each in told] == [["a", "b"], ["a", "b"], ["a", "c"]]


@pytest.mark.parametrize(
    "damage", [lambda file: b"", lambda file: file[:99], lambda file: file.replace(b"col", b"COL")]
)
def test_what_is_damaged_is_made_again(damage: Callable[[bytes], bytes], things: Shop, plans: Path) -> None:
    fresh = things.trace(read(things), plans)
    [file] = plans.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    again = things.trace(read(things), plans)
    assert (again, again.is_kept) == (fresh, False)
    assert file.read_bytes() == whole


def test_lineage_is_told_where_it_cannot_be_kept(things: Shop, plans: Path) -> None:
    plans.write_text("a file where the folder would be")
    assert things.trace(read(things), plans) == things.trace(read(things))


def test_other_code_follows_anew(things: Shop, plans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    things.trace(read(things), plans)
    monkeypatch.setattr(keeping, "CODE", "another")
    assert not things.trace(read(things), plans).is_kept


def test_of_a_table_only_the_newest_plans_are_kept(things: Shop, plans: Path) -> None:
    for number in range(20):
        things.trace(read(things).select(F.col("colour").alias(f"c{number}")), plans)
    assert len([*plans.iterdir()]) == 8
    assert things.trace(read(things).select(F.col("colour").alias("c19")), plans).is_kept


def test_runs_at_once_keep_the_same(things: Shop, plans: Path) -> None:
    frames = [read(things).select(F.col("colour").alias(f"c{number % 12}")) for number in range(48)]
    with ThreadPoolExecutor(8) as threads:
        told = [*threads.map(lambda df: things.trace(df, plans), frames)]
    assert [direct(each) for each in told] == [{f"c{number % 12}": {"things.colour"}} for number in range(48)]
    assert rows(told[0]) == set()


def test_what_a_view_leaves_out_is_a_part_of_what_its_plan_says(things: Shop) -> None:
    """Sail does not take such a view."""

    def said(left_out: str) -> str:
        plan = Canonical(Asked(things.session, str), {})
        plan.read(View(parse_query(f"SELECT * EXCEPT ({left_out}) FROM things"), {}))
        return plan.text

    assert said("colour") != said("weight")
