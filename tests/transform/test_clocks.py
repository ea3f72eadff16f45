from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakelib.transform import with_clock_instant, with_next_clock_instant

ZONES = ["America/New_York", "America/Phoenix", "America/Anchorage", "Pacific/Honolulu", "UTC"]


def instant(engine, day, clock, zone):
    rows = engine.session.createDataFrame([(day, clock, zone)], "day date, clock int, zone string")
    return rows.transform(with_clock_instant, "at", day="day", clock="clock", zone="zone").first()["at"]


def next_instant(engine, after, clock, zone):
    rows = engine.session.createDataFrame([(after, clock, zone)], "after timestamp, clock int, zone string")
    return rows.transform(with_next_clock_instant, "at", after="after", clock="clock", zone="zone").first()["at"]


@pytest.mark.parametrize(
    ("day", "clock", "zone", "expected"),
    [
        (date(2013, 1, 1), 515, "America/New_York", datetime(2013, 1, 1, 10, 15)),
        (date(2013, 7, 1), 515, "America/New_York", datetime(2013, 7, 1, 9, 15)),
        (date(2013, 1, 1), 0, "America/New_York", datetime(2013, 1, 1, 5)),
        (date(2013, 12, 31), 2400, "America/New_York", datetime(2014, 1, 1, 5)),
        (date(2013, 3, 10), 230, "America/New_York", datetime(2013, 3, 10, 7, 30)),
        (date(2013, 11, 3), 130, "America/New_York", datetime(2013, 11, 3, 5, 30)),
        (date(2013, 1, 1), 515, None, None),
        (date(2013, 1, 1), None, "UTC", None),
    ],
)
def test_a_clock_reading_is_an_instant(engine, day, clock, zone, expected):
    assert instant(engine, day, clock, zone) == expected


@pytest.mark.parametrize(
    ("after", "clock", "zone", "expected"),
    [
        (datetime(2013, 1, 1, 10, 17), 830, "America/Chicago", datetime(2013, 1, 1, 14, 30)),
        (datetime(2013, 1, 2, 4, 0), 10, "America/New_York", datetime(2013, 1, 2, 5, 10)),
        (datetime(2013, 1, 2, 4, 0), 2400, "America/New_York", datetime(2013, 1, 2, 5, 0)),
        (datetime(2013, 1, 2, 5, 0), 2400, "America/New_York", datetime(2013, 1, 2, 5, 0)),
        (datetime(2013, 11, 3, 3, 0), 2300, "America/New_York", datetime(2013, 11, 3, 3, 0)),
        (datetime(2013, 11, 3, 3, 1), 2300, "America/New_York", datetime(2013, 11, 4, 4, 0)),
        (None, 830, "America/Chicago", None),
    ],
)
def test_the_next_time_a_clock_shows_it(engine, after, clock, zone, expected):
    given_after = None if after is None else after.replace(tzinfo=UTC)
    assert next_instant(engine, given_after, clock, zone) == expected


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(
        st.tuples(
            st.datetimes(datetime(2013, 1, 1), datetime(2014, 12, 31)),
            st.integers(0, 23),
            st.integers(0, 59),
            st.sampled_from(ZONES),
        ),
        min_size=1,
        max_size=50,
    )
)
def test_the_next_instant_is_within_a_day_and_shows_the_clock(engine, data):
    rows = [(at.replace(microsecond=0, tzinfo=UTC), hour * 100 + minute, zone) for at, hour, minute, zone in data]
    df = engine.session.createDataFrame(rows, "after timestamp, clock int, zone string")
    found = df.transform(with_next_clock_instant, "at", after="after", clock="clock", zone="zone").collect()
    for row in found:
        after, at = row["after"].replace(tzinfo=UTC), row["at"].replace(tzinfo=UTC)
        local = at.astimezone(ZoneInfo(row["zone"]))
        assert timedelta(0) <= at - after <= timedelta(hours=25)
        # In the hour that spring skips a clock never shows the reading.
        assert local.hour * 100 + local.minute == row["clock"] or local.date() in (date(2013, 3, 10), date(2014, 3, 9))
