from dataclasses import replace
from datetime import date

import pytest

from lakelib.transform import Reference, changed_references, unmatched, with_references
from tests.engines import embedded


@pytest.fixture
def airports(engine):
    rows = [("JFK", "America/New_York"), ("ORD", "America/Chicago")]
    df = engine.session.createDataFrame(rows, "faa string, tz string")
    return Reference(df, on={"origin": "faa"}, take={"tz": "origin_tz"})


@pytest.fixture
def fleet(engine):
    """Tail A was refitted on day 5, B came on day 3."""
    rows = [("A", 1, date(2013, 1, 1)), ("A", 2, date(2013, 1, 5)), ("B", 3, date(2013, 1, 3))]
    df = engine.session.createDataFrame(rows, "tail string, sk int, _valid_from date")
    return Reference(df, on={"tailnum": "tail"}, take={"sk": "aircraft_sk"}, default=-1, as_of="day")


def test_columns_are_looked_up_and_no_row_is_lost(engine, airports):
    legs = engine.session.createDataFrame([(1, "JFK"), (2, "XXX"), (3, None)], "leg int, origin string")
    found = legs.transform(with_references, airports).orderBy("leg").collect()
    assert [tuple(row) for row in found] == [(1, "JFK", "America/New_York"), (2, "XXX", None), (3, None, None)]


def test_a_missing_match_gets_the_default(engine, airports):
    legs = engine.session.createDataFrame([("XXX",)], "origin string")
    assert legs.transform(with_references, replace(airports, default="?")).first()["origin_tz"] == "?"


def test_columns_that_are_there_get_todays_values(engine, airports):
    legs = engine.session.createDataFrame([("JFK", "old")], "origin string, origin_tz string")
    assert legs.transform(with_references, airports).collect()[0].asDict() == {
        "origin": "JFK",
        "origin_tz": "America/New_York",
    }


def test_rows_whose_reference_came_changed_or_went_are_found(engine, airports):
    legs = [(1, "JFK", "America/New_York"), (2, "ORD", None), (3, "JFK", "old"), (4, "XXX", "gone"), (5, "XXX", None)]
    known = engine.session.createDataFrame(legs, "leg int, origin string, origin_tz string")
    changed = known.transform(changed_references, airports)
    assert sorted(row["leg"] for row in changed.collect()) == [2, 3, 4]
    assert changed.columns == known.columns


def test_the_version_in_force_is_taken_and_before_the_first_one_the_first(engine, fleet):
    flown = [(tail, date(2013, 1, day)) for tail, day in (("A", 4), ("A", 5), ("A", 9), ("B", 1), ("C", 1))]
    legs = engine.session.createDataFrame([*flown, ("A", None)], "tailnum string, day date")
    found = legs.transform(with_references, fleet).orderBy("tailnum", "day").collect()
    assert [row["aircraft_sk"] for row in found] == [-1, 1, 2, 2, 3, -1]


@embedded
def test_a_row_that_points_to_several_references_is_looked_at_once(engine, airports, fleet):
    legs = [(1, "JFK", "A", date(2013, 1, 6), "America/New_York", 2), (2, "ORD", "B", date(2013, 1, 6), None, -1)]
    known = engine.session.createDataFrame(
        legs, "leg int, origin string, tailnum string, day date, origin_tz string, aircraft_sk int"
    )
    assert [row["leg"] for row in known.transform(changed_references, airports, fleet).collect()] == [2]


@embedded
def test_what_a_reference_does_not_have_is_listed_with_its_rows(engine, airports):
    legs = engine.session.createDataFrame([("JFK",), ("XXX",), ("XXX",), (None,)], "origin string")
    assert [tuple(row) for row in legs.transform(unmatched, airports).collect()] == [("XXX", 2)]
