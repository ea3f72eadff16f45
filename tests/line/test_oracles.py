import pytest

from tests.line.conftest import LANDING
from tests.line.oracles import TABLES, content, mismatches, rows

embedded = pytest.mark.parametrize("engine", ["embedded"], indirect=True)

# The first batch has no airport snapshot, the second none of the early ones, and no batch is in its place.
SHUFFLED = [("02", "04"), ("20", "31"), ("08", "15"), ("01", "01"), ("16", "19"), ("05", "07")]


@embedded
@pytest.mark.parametrize("last", ["01", "07", "31"])
def test_january_equals_the_oracles(new_line, last):
    line = new_line(landing=LANDING)
    line.run("2013-01-01", f"2013-01-{last}")
    assert mismatches(line.warehouse, f"day_0{last}") == []


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
    expected = {table: content(at_once.warehouse, table) for table in TABLES}
    daily = [(f"{day:02}", f"{day:02}") for day in range(1, 32)]
    for batches in (SHUFFLED, daily):
        line = new_line(landing=LANDING)
        for start, end in batches:
            line.run(f"2013-01-{start}", f"2013-01-{end}")
        for table in TABLES:
            assert content(line.warehouse, table).equals(expected[table]), f"{table} differs after {batches}"


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
