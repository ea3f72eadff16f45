import shutil
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakelib import events, ingest, tables
from lakelib.errors import DeliveryRefusedError, RuleError, SchemaError
from lakelib.tables.manifest import release
from tests.architecture.project_files import PROJECT
from tests.engines import embedded
from tests.tables.conftest import COLOUR, THING_ID
from tests.transform.test_history import days, tails, told_snapshot_by_snapshot, values

NUMBERS = count()
SEATS = {"name": "seats", "physicalType": "int", "logicalTypeOptions": {"minimum": 0}}
SPEED = {
    "name": "speed",
    "physicalType": "int",
    "customProperties": [{"property": "tracked", "value": False}, {"property": "sentinels", "value": [0]}],
}
SCHEMA = "thing_id string, seats int, speed int, _delivered_on date, _ingested_at timestamp"


@pytest.fixture
def fleet(lake):
    lake.contract("silver.fleet", THING_ID, SEATS, SPEED, keepsHistory=True)
    return lake


def day(number):
    return date(2013, 1, number)


def snapshot(lake, *rows, ingested=0):
    """Each row with the number of its day; the run that writes them all."""
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=ingested)
    return lake.df([(*row[:3], day(row[3]), at) for row in rows], SCHEMA)


def write(lake, df):
    run = lake.start("silver.fleet")
    tables.snapshot(df, run.contract)
    return lake.last(events.Published)


FIRST = [("A", 180, 500, 1), ("B", 90, 400, 1)]
SECOND = [("A", 174, 0, 5), ("C", 70, 0, 5)]
HISTORY = [
    ("A", 174, 500, day(5), None, True),
    ("A", 180, 500, day(1), day(5), False),
    ("B", 90, 400, day(1), day(5), False),
    ("C", 70, None, day(5), None, True),
]


@embedded
def test_versions_open_and_close_and_a_sentinel_says_nothing(fleet):
    write(fleet, snapshot(fleet, *FIRST, *SECOND))
    assert fleet.rows("silver.fleet") == HISTORY


def test_snapshots_in_any_order_give_the_same_rows_and_a_rerun_no_commit(fleet):
    write(fleet, snapshot(fleet, *SECOND))
    published = write(fleet, snapshot(fleet, *FIRST, *SECOND))
    assert fleet.rows("silver.fleet") == HISTORY
    assert (published.inserted, published.updated, published.deleted) == (2, 1, 0)
    assert not write(fleet, snapshot(fleet, *FIRST, *SECOND)).is_committed


TOLD = st.dictionaries(tails, values, min_size=1)


@embedded
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delivered=st.dictionaries(days, TOLD, min_size=2, max_size=4), order=st.randoms())
def test_late_snapshots_cut_the_history_as_it_was(lake, delivered, order):
    table = f"silver.fleet{next(NUMBERS)}"
    lake.contract(table, THING_ID, SEATS, SPEED, keepsHistory=True)
    come = {}
    for number in order.sample([*delivered], len(delivered)):
        come[number] = delivered[number]
        rows = [(tail, *told, on) for on, each in come.items() for tail, told in each.items()]
        tables.snapshot(snapshot(lake, *rows), lake.start(table).contract)
        history = lake.rows(table, "thing_id", "seats", "speed", "_valid_from", "_valid_to")
        assert history == told_snapshot_by_snapshot(come)


@embedded
def test_the_same_day_delivered_again_replaces_its_snapshot(fleet):
    again = snapshot(fleet, ("A", 180, 500, 1), ingested=1)
    write(fleet, snapshot(fleet, *FIRST).unionByName(again))
    assert fleet.rows("silver.fleet", "thing_id", "_valid_from", "_valid_to") == [("A", day(1), None)]


@embedded
def test_a_broken_row_goes_to_quarantine_and_its_key_keeps_its_version(fleet):
    write(fleet, snapshot(fleet, *FIRST, ("A", -1, 500, 2), ("B", 90, 400, 2), ("A", 180, 500, 3), ("B", 90, 400, 3)))
    assert fleet.rows("silver.fleet", "thing_id", "seats", "_valid_from", "_valid_to") == [
        ("A", 180, day(1), None),
        ("B", 90, day(1), None),
    ]
    assert fleet.rows("quarantine.silver__fleet", "rules", "_delivered_on") == [(["below_minimum"], day(2))]


@embedded
def test_rows_of_a_snapshot_that_repeat_count_once_and_contradictions_are_quarantined(fleet):
    write(fleet, snapshot(fleet, *FIRST, FIRST[0], ("C", 1, 1, 1), ("C", 2, 1, 1)))
    assert fleet.rows("silver.fleet", "thing_id") == [("A",), ("B",)]
    assert len(fleet.rows("quarantine.silver__fleet")) == 2


@embedded
def test_losing_the_snapshots_of_most_keys_changes_nothing(fleet):
    many = snapshot(fleet, *((str(n), 1, 1, 1) for n in range(5)))
    write(fleet, many)
    with pytest.raises(RuleError, match="4 of its 5 keys"):
        write(fleet, many.where("thing_id = '0'"))
    assert len(fleet.rows("silver.fleet")) == 5


@embedded
def test_what_is_no_snapshot_is_refused(fleet, things):
    with pytest.raises(SchemaError, match="does not say that it keeps history"):
        tables.snapshot(snapshot(fleet, *FIRST), things.start("silver.things").contract)
    undated = snapshot(fleet, *FIRST).selectExpr("thing_id", "seats", "speed", "_ingested_at", "NULL AS _delivered_on")
    for df in (undated, undated.drop("_delivered_on")):
        with pytest.raises(SchemaError, match="which snapshot they are of"):
            write(fleet, df)


@pytest.fixture
def register(lake):
    """Full snapshots of things and their colours, from CSV files to silver.register."""
    text = {"physicalType": "string"}
    lake.contract("bronze.register", {"name": "thing_id", **text}, {"name": "colour", **text}, snapshotKey="thing_id")
    lake.contract("silver.register", THING_ID, COLOUR, keepsHistory=True)
    return lake


def deliver(lake, number, text):
    file = lake.project / "landing" / f"register_2013-01-{number:02}.csv"
    file.write_text("thing_id,colour\n" + text)
    return file.name


def load(lake, number):
    run = lake.start("bronze.register", f"2013-01-{number:02}")
    tables.load(ingest.csv("register_{date}.csv"), run.contract, delivered=run.interval)


def write_register(lake):
    run = lake.start("silver.register")
    tables.snapshot(tables.read("bronze.register"), run.contract)
    return lake.rows("silver.register", "thing_id", "_valid_from", "_valid_to")


def load_released(lake, number):
    with pytest.raises(DeliveryRefusedError) as held:
        load(lake, number)
    release(f"register_2013-01-{number:02}.csv", reason="it is right")
    load(lake, number)
    return held.value.reason


def test_a_snapshot_that_came_empty_closes_all_versions_once_it_is_released(register):
    deliver(register, 1, "a,red\nb,blue\n")
    load(register, 1)
    deliver(register, 9, "")
    assert load_released(register, 9) == "MASS_DELETE"
    assert write_register(register) == [("a", day(1), day(9)), ("b", day(1), day(9))]


def test_a_partial_snapshot_of_the_demonstrations_fleet_is_held(lake):
    (lake.project / "contracts" / "bronze").mkdir()
    shutil.copy(PROJECT / "contracts/bronze/planes.yml", lake.project / "contracts/bronze")
    for file in (
        "data/landing/planes/fleet_2013-03-01.sqlite",
        "data/bad/mass_delete_95_percent/fleet_2013-04-01.sqlite",
    ):
        shutil.copy(PROJECT / file, lake.project / "landing")
    for first in ("2013-03-01", "2013-04-01"):  # compared with a snapshot of the same run, and with the table's
        run = lake.start("bronze.planes", first, "2013-04-30")
        with pytest.raises(DeliveryRefusedError, match=r"2,918 of the 3,072 keys"):
            tables.load(ingest.sqlite("fleet_{date}.sqlite", table="planes"), run.contract, delivered=run.interval)
    assert {str(on) for (on,) in lake.rows("bronze.planes", "_delivered_on")} == {"2013-03-01"}
    assert lake.rows("bronze._manifest", "verdict", "reason") == [("held", "MASS_DELETE"), ("loaded", "")]


@embedded
def test_of_several_snapshots_of_a_day_the_last_counts_also_when_it_came_empty(register):
    register.contract("bronze.register", {"name": "thing_id", "physicalType": "string"})
    for number in (1, 9):
        deliver(register, number, "a,red\n")
        load(register, number)
    deliver(register, 9, "")
    assert load_released(register, 9) == "NO_ROWS"
    assert write_register(register) == [("a", day(1), day(9))]
    deliver(register, 9, "a,blue\n")
    load(register, 9)
    assert write_register(register) == [("a", day(1), day(9)), ("a", day(9), None)]


@embedded
def test_a_null_may_be_a_sentinel(lake):
    sentinels = [{"property": "sentinels", "value": [None, "N/A"]}]
    lake.contract("silver.fleet", THING_ID, COLOUR | {"customProperties": sentinels}, keepsHistory=True)
    told = [("A", "red", 1), ("A", None, 2), ("A", "N/A", 3), ("A", "blue", 4)]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows = lake.df(
        [(*row[:2], day(row[2]), at) for row in told], SCHEMA.replace("seats int, speed int", "colour string")
    )
    write(lake, rows)
    assert lake.rows("silver.fleet", "colour", "_valid_from") == [("blue", day(4)), ("red", day(1))]


@embedded
def test_a_column_may_be_called_as_the_day_of_a_snapshot(lake):
    lake.contract("silver.fleet", THING_ID, {"name": "snapshot_on", "physicalType": "string"}, keepsHistory=True)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [("A", "noon", day(1), at), ("A", "night", day(2), at)]
    df = lake.df(rows, "thing_id string, snapshot_on string, _delivered_on date, _ingested_at timestamp")
    write(lake, df)
    told = lake.rows("silver.fleet", "thing_id", "snapshot_on", "_valid_from")
    assert told == [("A", "night", day(2)), ("A", "noon", day(1))]


@embedded
def test_lineage_tells_only_columns_that_the_table_has(fleet):
    write(fleet, snapshot(fleet, *FIRST))
    told = {flow.column for flow in fleet.last(events.Traced).flows}
    assert told == {"thing_id", "seats", "speed", "_valid_from", "_valid_to", "_is_current"}
