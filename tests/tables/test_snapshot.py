from datetime import UTC, date, datetime, timedelta

import pytest

from lakelib import context, events, tables
from lakelib.errors import RuleError, SchemaError
from lakelib.names import TableName
from lakelib.tables.manifest import Entry, record
from tests.tables.conftest import THING_ID

embedded = pytest.mark.parametrize("engine", ["embedded"], indirect=True)

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


@embedded
def test_a_snapshot_that_came_empty_and_was_released_closes_all_versions(fleet):
    write(fleet, snapshot(fleet, *FIRST))
    fleet.contract("bronze.fleet", {"name": "thing_id", "physicalType": "string"}, snapshotKey="thing_id")
    run = fleet.start("silver.fleet")
    context.current().pins[TableName("bronze", "fleet")] = 0
    at = datetime(2026, 1, 1, tzinfo=UTC)
    told = {"size_bytes": 0, "rows": 0, "reason": "", "message": "", "drift": (), "run_id": "r", "ingested_at": at}
    record([Entry("bronze.fleet", "fleet_2013-01-09.csv", day(9), sha256="0", verdict="loaded", **told)])
    tables.snapshot(snapshot(fleet, *FIRST), run.contract)
    assert fleet.rows("silver.fleet", "thing_id", "_valid_to") == [("A", day(9)), ("B", day(9))]
