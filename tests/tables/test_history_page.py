"""The Python of docs/how-to/history.md does what the page says."""

import re
from datetime import date

import pytest
from pyspark.sql import functions as F

from lakelib import ingest, tables, transform
from tests.architecture.project_files import PROJECT
from tests.engines import embedded

PAGE = (PROJECT / "docs" / "how-to" / "history.md").read_text()
VERBS = {name: getattr(transform, name) for name in transform.__all__} | {"F": F, "tables": tables}
TAIL = {"name": "tailnum", "physicalType": "string"}
SEATS = {"name": "seats", "physicalType": "int"}
TIMES = [{"name": name, "physicalType": "date"} for name in ("valid_from", "valid_to")]


def key(column, position=1):
    return column | {"primaryKey": True, "primaryKeyPosition": position}


def done(lake, word, *, table, **names):
    """Runs the page's block that has the word, as the notebook of the table; its variables."""
    [block] = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if word in block]
    told = VERBS | names | {"run": lake.start(table)}
    exec(block, told)
    return told


@pytest.fixture
def fleet(lake):
    """silver.planes, from two snapshots: N1 got other seats, N2 went."""
    text = {"physicalType": "string"}
    lake.contract("bronze.planes", TAIL, {"name": "seats", **text}, snapshotKey="tailnum")
    lake.contract("silver.planes", key(TAIL), SEATS, keepsHistory=True)
    for day, rows in ((1, "N1,180\nN2,90\n"), (5, "N1,174\n")):
        (lake.project / "landing" / f"planes_2013-01-0{day}.csv").write_text("tailnum,seats\n" + rows)
    run = lake.start("bronze.planes", end="2013-01-31")
    tables.load(ingest.csv("planes_{date}.csv"), run.contract, delivered=run.interval)
    done(lake, "tables.snapshot", table="silver.planes")
    return lake


@embedded
def test_a_fact_finds_the_version_of_its_day(fleet):
    assert fleet.rows("silver.planes", "tailnum", "seats", "_valid_from", "_valid_to") == [
        ("N1", 174, date(2013, 1, 5), None),
        ("N1", 180, date(2013, 1, 1), date(2013, 1, 5)),
        ("N2", 90, date(2013, 1, 1), date(2013, 1, 5)),
    ]
    number = {"name": "aircraft_sk", "physicalType": "bigint"}
    fleet.contract("gold.dim_aircraft", key(number), TAIL, SEATS, *TIMES, mostGonePercent=100)
    done(fleet, "with_unknown_member", table="gold.dim_aircraft")
    seats = {row[0]: row[1:] for row in fleet.rows("gold.dim_aircraft", "aircraft_sk", "tailnum", "seats")}
    fleet.contract("gold.fct_flights", key(TAIL))
    reported = fleet.df(
        [("N1", date(2013, 1, 4)), ("N1", date(2013, 1, 5)), ("N9", date(2013, 1, 5))],
        "tailnum string, flight_date date",
    )
    flights = done(fleet, "aircraft = Reference", table="gold.fct_flights", reported=reported)["flights"]
    assert [seats[row["aircraft_sk"]] for row in flights.orderBy("tailnum", "flight_date").collect()] == [
        ("N1", 180),
        ("N1", 174),
        (None, None),
    ]


@embedded
def test_change_rows_become_versions(lake):
    article, price = {"name": "article", "physicalType": "string"}, {"name": "price_eur", "physicalType": "int"}
    changed = {"name": "changed_on", "physicalType": "date"}
    lake.contract(
        "silver.price_changes", key(article), price, key(changed, 2), {"name": "is_deleted", "physicalType": "boolean"}
    )
    rows = [
        ("tea", 3, date(2013, 1, 1), False),
        ("tea", 4, date(2013, 1, 3), False),
        ("tea", None, date(2013, 1, 9), True),
    ]
    changes = lake.df(rows, "article string, price_eur int, changed_on date, is_deleted boolean")
    tables.merge(changes, lake.start("silver.price_changes").contract)
    lake.contract("silver.prices", key(article), price, key(TIMES[0], 2), TIMES[1])
    done(lake, "history_from_changes", table="silver.prices")
    assert lake.rows("silver.prices") == [
        ("tea", 3, date(2013, 1, 1), date(2013, 1, 3)),
        ("tea", 4, date(2013, 1, 3), date(2013, 1, 9)),
    ]


@embedded
def test_the_first_source_that_has_a_value_tells_it(lake):
    lake.contract("silver.masters", key(TAIL))
    schema = "tailnum string, seats int, owner string"
    sources = {"registry": [("N1", None, "bank")], "fleet_list": [("N1", 180, "airline"), ("N2", 90, None)]}
    named = {name: lake.df(rows, schema) for name, rows in sources.items()}
    masters = done(lake, "surviving_records", table="silver.masters", **named)["masters"]
    assert sorted(masters.select("tailnum", "seats", "owner").collect()) == [("N1", 180, "bank"), ("N2", 90, None)]
