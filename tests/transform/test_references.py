import pytest

from lakelib.transform import changed_reference, with_reference

ON, TAKE = {"origin": "faa"}, {"tz": "origin_tz"}


@pytest.fixture
def airports(engine):
    return engine.session.createDataFrame(
        [("JFK", "America/New_York"), ("ORD", "America/Chicago")], "faa string, tz string"
    )


def test_columns_are_looked_up_and_no_row_is_lost(engine, airports):
    legs = engine.session.createDataFrame([(1, "JFK"), (2, "XXX"), (3, None)], "leg int, origin string")
    found = legs.transform(with_reference, airports, on=ON, take=TAKE).orderBy("leg").collect()
    assert [tuple(row) for row in found] == [(1, "JFK", "America/New_York"), (2, "XXX", None), (3, None, None)]


def test_a_missing_match_gets_the_default(engine, airports):
    legs = engine.session.createDataFrame([("XXX",)], "origin string")
    assert legs.transform(with_reference, airports, on=ON, take=TAKE, default="?").first()["origin_tz"] == "?"


def test_columns_that_are_there_get_todays_values(engine, airports):
    legs = engine.session.createDataFrame([("JFK", "old")], "origin string, origin_tz string")
    assert legs.transform(with_reference, airports, on=ON, take=TAKE).collect()[0].asDict() == {
        "origin": "JFK",
        "origin_tz": "America/New_York",
    }


def test_rows_whose_reference_came_changed_or_went_are_found(engine, airports):
    legs = [(1, "JFK", "America/New_York"), (2, "ORD", None), (3, "JFK", "old"), (4, "XXX", "gone"), (5, "XXX", None)]
    known = engine.session.createDataFrame(legs, "leg int, origin string, origin_tz string")
    changed = known.transform(changed_reference, airports, on=ON, take=TAKE)
    assert sorted(row["leg"] for row in changed.collect()) == [2, 3, 4]
    assert changed.columns == known.columns
