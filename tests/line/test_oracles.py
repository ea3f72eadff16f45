from contextlib import closing

import pytest

from lakelib.engine.embedded import EmbeddedEngine
from tests.line.conftest import LANDING
from tests.line.oracles import mismatches, rows

embedded = pytest.mark.parametrize("engine", ["embedded"], indirect=True)
spark = pytest.mark.parametrize("engine", ["spark"], indirect=True)

TABLES = [
    "silver.flights",
    "silver.airports",
    "silver.carriers",
    "gold.dim_date",
    "gold.dim_airport",
    "gold.dim_carrier",
    "gold.fct_flights",
    "gold.kpi_carrier_monthly",
    "gold.kpi_origin_daily",
]
# The first batch has no airport snapshot, the second none of the early ones, and no batch is in its place.
SHUFFLED = [("02", "04"), ("20", "31"), ("08", "15"), ("01", "01"), ("16", "19"), ("05", "07")]


def content(line, table):
    """The rows in an order of their own, without the columns that tell one run from another."""
    frame = rows(line.warehouse, table).drop(columns=["_run_id", "_updated_at"])
    return frame.sort_values(list(frame.columns[:4])).reset_index(drop=True)


@embedded
@pytest.mark.parametrize("last", ["01", "07", "31"])
def test_january_equals_the_oracles(new_line, last):
    line = new_line(landing=LANDING)
    line.run("2013-01-01", f"2013-01-{last}")
    assert mismatches(line.warehouse, f"day_0{last}") == []


@spark
def test_spark_gives_the_oracles_answers_and_every_row_of_the_embedded_engine(new_line):
    line = new_line(landing=LANDING)
    line.run("2013-01-01")
    assert mismatches(line.warehouse, "day_001") == []
    line.run("2013-01-02", "2013-01-07")
    assert mismatches(line.warehouse, "day_007") == []
    with closing(EmbeddedEngine()) as engine:
        other = new_line(landing=LANDING, engine=engine)
        other.run("2013-01-01", "2013-01-07")
        for table in TABLES:
            assert content(line, table).equals(content(other, table)), table


@pytest.mark.parametrize("engine", ["embedded", pytest.param("spark", marks=pytest.mark.year_spark)], indirect=True)
def test_the_year_equals_the_oracles(new_line):
    line = new_line(landing=LANDING)
    line.run("2013-01-01", "2013-12-31")
    assert mismatches(line.warehouse, "day_365") == []
    line.run("2014-01-01")
    assert mismatches(line.warehouse, "final") == []


@embedded
def test_one_run_many_runs_and_shuffled_batches_give_the_same_rows(new_line):
    at_once = new_line(landing=LANDING)
    at_once.run("2013-01-01", "2013-01-31")
    expected = {table: content(at_once, table) for table in TABLES}
    daily = [(f"{day:02}", f"{day:02}") for day in range(1, 32)]
    for batches in (SHUFFLED, daily):
        line = new_line(landing=LANDING)
        for start, end in batches:
            line.run(f"2013-01-{start}", f"2013-01-{end}")
        for table in TABLES:
            assert content(line, table).equals(expected[table]), f"{table} differs after {batches}"


@embedded
def test_a_second_run_changes_no_row_and_makes_no_commit(new_line):
    line = new_line(landing=LANDING)
    line.run("2013-01-01", "2013-01-02")
    before = {table: (rows(line.warehouse, table), line.version(table)) for table in TABLES}
    line.run("2013-01-01", "2013-01-02")
    for table, (frame, version) in before.items():
        assert rows(line.warehouse, table).equals(frame), table
        assert line.version(table) == version, table


@embedded
def test_gold_computes_only_what_a_days_changes_touch(new_line):
    line = new_line(landing=LANDING)
    line.run("2013-01-01", "2013-01-05")
    known = set(rows(line.warehouse, "gold.kpi_origin_daily")["_run_id"])
    line.run("2013-01-06")
    daily = rows(line.warehouse, "gold.kpi_origin_daily")
    written = daily[~daily["_run_id"].isin(known)]
    assert {str(day) for day in written["flight_date"]} == {"2013-01-05", "2013-01-06"}
    assert len(daily) == 18
