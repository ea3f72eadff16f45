import json

import pandas as pd
import pytest

from lakelib.contracts import load_contract
from lakelib.names import TableName
from lakelib.transform import cast_to_contract, history_from_snapshots
from tests.engines import embedded
from tests.line.conftest import LANDING, ROOT
from tests.line.oracles import ORACLES, TABLES, content, mismatches, restatement, rows, snapshot_counts

SCD2 = json.loads((ORACLES / "scd2.json").read_text())
AIRPORT = ["name", "city", "lat", "lon", "alt", "tz"]
PLANE = ["year", "type", "manufacturer", "model", "engines", "seats", "engine"]

# The airports are complete on 10 February and the fleet changes on the first; the weather is restated at the end.
DAYS = ("2013-01-01", "2013-01-02", "2013-02-01", "2013-02-10", "2014-01-02")
IN_ORDER = [(DAYS[0], DAYS[2]), DAYS[3:]]
# The last days come first: with snapshots that are not the first ones.
SHUFFLED = [DAYS[3:], (DAYS[0], DAYS[2])]


@embedded
def test_a_year_in_five_runs_equals_the_oracles_and_a_day_computes_only_what_its_changes_touch(new_line):
    line = new_line(landing=LANDING)
    line.run("2013-01-01", "2013-01-06")
    before = {
        table: set(rows(line.warehouse, f"gold.{table}")["_run_id"])
        for table in ("kpi_origin_daily", "mart_network_daily")
    }
    line.run("2013-01-07")
    assert mismatches(line.warehouse, "day_007") == []
    for table, known in before.items():
        days = rows(line.warehouse, f"gold.{table}")
        assert {str(day) for day in days[~days["_run_id"].isin(known)]["flight_date"]} == {"2013-01-06", "2013-01-07"}
    line.run("2013-01-08", "2013-01-31")
    assert mismatches(line.warehouse, "day_031") == []
    line.run("2013-02-01", "2013-12-31")
    assert mismatches(line.warehouse, "day_365") == []
    assert_the_final_days(line)
    assert_other_rules(line)


@pytest.mark.year_spark
@pytest.mark.parametrize("engine", ["spark"], indirect=True)
def test_a_year_in_four_runs_equals_the_oracles(new_line):
    line = new_line(landing=LANDING)
    for first, last, day in (
        ("2013-01-01", "2013-01-01", "day_001"),
        ("2013-01-02", "2013-01-07", "day_007"),
        ("2013-01-08", "2013-01-31", "day_031"),
        ("2013-02-01", "2013-12-31", "day_365"),
    ):
        line.run(first, last)
        assert mismatches(line.warehouse, day) == []
    assert_the_final_days(line)


def assert_the_final_days(line):
    line.run("2014-01-01", "2014-01-02")
    assert mismatches(line.warehouse, "final") == []
    assert snapshot_counts(rows(line.warehouse, "silver.planes"), "tailnum") == SCD2["planes"]
    assert snapshot_counts(rows(line.warehouse, "silver.airports"), "faa") == SCD2["airports"]


def assert_other_rules(line):
    """History by other tracked columns, and the restated weather on its right and on its wrong key."""
    airports, planes = typed(line, "airports"), typed(line, "planes")
    for name, df, key, tracked in (
        ("planes_if_speed_were_tracked", planes, "tailnum", [*PLANE, "speed"]),
        ("airports_name_city_tz_only", airports, "faa", ["name", "city", "tz"]),
        ("airports_name_city_tz_icao", airports, "faa", ["name", "city", "tz", "icao"]),
    ):
        assert snapshot_counts(history(df, key, tracked), key) == SCD2[name], name
    for name, df, key in (("airports", airports, "faa"), ("planes", planes, "tailnum")):
        told = SCD2[f"{name}_changed_by_column"]
        for column in next(iter(told.values())):
            counts = snapshot_counts(history(df, key, [column]), key)
            changed = {day: counts[day]["changed"] if day in counts else 0 for day in told}
            assert changed == {day: columns[column] for day, columns in told.items()}, column
    weather = rows(line.warehouse, "bronze.weather")
    weather = weather.loc[:, "origin":"time_hour"].assign(is_restated=weather["_source_file"].str.contains("restated"))
    assert_restatement(weather)


def typed(line, table):
    """The rows of all snapshots with their types, a row that a file repeats once."""
    contract = load_contract(TableName("silver", table), ROOT / "contracts")
    path = str(line.warehouse / "bronze" / table)
    df = line.engine.session.read.format("delta").load(path).transform(cast_to_contract, contract)
    return df.select(*contract.column_names, "_delivered_on").distinct()


def history(df, key, tracked):
    return df.transform(history_from_snapshots, key=[key], tracked=tracked).toPandas()


def assert_restatement(weather):
    told = json.loads((ORACLES / "weather_restatement.json").read_text())
    first, restated = (weather[weather["is_restated"] == is_it].drop(columns="is_restated") for is_it in (False, True))
    right = restatement(first, restated, ["origin", "time_hour"])
    assert right.pop("by_column") == told["changed_by_column_on_right_key"]
    assert right == told["right_key_origin_time_hour"]
    trap = restatement(first, restated, ["origin", "year", "month", "day", "hour"])
    assert trap.pop("by_column")
    assert trap == told["trap_key_origin_year_month_day_hour"]
    counts = {"first_delivery": first["wind_gust"].notna().sum(), "restated": restated["wind_gust"].notna().sum()}
    assert counts == told["wind_gust_not_null"]


@embedded
def test_one_run_several_runs_and_shuffled_batches_give_the_same_rows(new_line):
    """San Juan is in no snapshot before 10 February; facts that were loaded before are then keyed again."""
    expected = after(of_some_days(new_line), [(DAYS[0], DAYS[-1])])
    shuffled = of_some_days(new_line)
    assert differing(after(shuffled, SHUFFLED), expected) == []
    versions = {table: shuffled.version(table) for table in TABLES}
    shuffled.run(DAYS[0], DAYS[2])
    assert {table: shuffled.version(table) for table in TABLES} == versions, "a second run made a commit"
    stepwise = of_some_days(new_line)
    after(stepwise, IN_ORDER[:-1])
    assert (facts_to(stepwise, "SJU")["dest_airport_sk"] == -1).all()
    assert differing(after(stepwise, IN_ORDER[-1:]), expected) == []
    assert (facts_to(stepwise, "SJU")["dest_airport_sk"] > 0).all()
    assert_versions_of_their_day(stepwise)


def assert_versions_of_their_day(line):
    """On 1 February some aircraft got other seats: their flights before and after point to two versions."""
    flights = rows(line.warehouse, "gold.fct_flights").merge(
        rows(line.warehouse, "gold.dim_aircraft"), on="aircraft_sk"
    )
    flown = [legs for _, legs in flights[flights["aircraft_sk"] > 0].groupby("tailnum_x")]
    refitted = pd.concat(legs for legs in flown if legs["aircraft_sk"].nunique() > 1)
    assert (refitted["valid_from"] <= refitted["flight_date"]).all()
    assert (refitted["valid_to"].isna() | (refitted["flight_date"] < refitted["valid_to"])).all()


def of_some_days(new_line):
    line = new_line()
    files = [file for file in LANDING.rglob("*") if file.is_file() and "events" not in file.parts]
    line.deliver(*(file for file in files if any(day in file.name for day in DAYS) or file.suffix == ".xml"))
    return line


def after(line, batches):
    """All tables' rows when these intervals have been run, one after the other."""
    for first, last in batches:
        line.run(first, last)
    return {table: content(line.warehouse, table) for table in TABLES}


def differing(found, expected):
    return [table for table in TABLES if not found[table].equals(expected[table])]


def facts_to(line, dest):
    facts = rows(line.warehouse, "gold.fct_flights")
    return facts[facts["dest"] == dest]
