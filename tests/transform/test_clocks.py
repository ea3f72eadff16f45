from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakelib.transform import with_clock_instant, with_next_clock_instant

ZONES = ["America/New_York", "America/Phoenix", "America/Anchorage", "Pacific/Honolulu", "UTC"]


READINGS = [
    (date(2013, 1, 1), 515, "America/New_York", datetime(2013, 1, 1, 10, 15)),
    (date(2013, 7, 1), 515, "America/New_York", datetime(2013, 7, 1, 9, 15)),
    (date(2013, 1, 1), 0, "America/New_York", datetime(2013, 1, 1, 5)),
    (date(2013, 12, 31), 2400, "America/New_York", datetime(2014, 1, 1, 5)),
    (date(2013, 3, 10), 230, "America/New_York", datetime(2013, 3, 10, 7, 30)),
    (date(2013, 11, 3), 130, "America/New_York", datetime(2013, 11, 3, 5, 30)),
    (date(2013, 1, 1), 515, None, None),
    (date(2013, 1, 1), None, "UTC", None),
]
NEXT_READINGS = [
    (datetime(2013, 1, 1, 10, 17, tzinfo=UTC), 830, "America/Chicago", datetime(2013, 1, 1, 14, 30)),
    (datetime(2013, 1, 2, 4, 0, tzinfo=UTC), 10, "America/New_York", datetime(2013, 1, 2, 5, 10)),
    (datetime(2013, 1, 2, 4, 0, tzinfo=UTC), 2400, "America/New_York", datetime(2013, 1, 2, 5, 0)),
    (datetime(2013, 1, 2, 5, 0, tzinfo=UTC), 2400, "America/New_York", datetime(2013, 1, 2, 5, 0)),
    (datetime(2013, 11, 3, 3, 0, tzinfo=UTC), 2300, "America/New_York", datetime(2013, 11, 3, 3, 0)),
    (datetime(2013, 11, 3, 3, 1, tzinfo=UTC), 2300, "America/New_York", datetime(2013, 11, 4, 4, 0)),
    (None, 830, "America/Chicago", None),
]


def test_a_clock_reading_is_an_instant(engine):
    rows = engine.session.createDataFrame(READINGS, "day date, clock int, zone string, expected timestamp_ntz")
    found = rows.transform(with_clock_instant, "at", day="day", clock="clock", zone="zone").collect()
    assert [row["at"] for row in found] == [row["expected"] for row in found]


def test_the_next_time_a_clock_shows_it(engine):
    rows = engine.session.createDataFrame(
        NEXT_READINGS, "after timestamp, clock int, zone string, expected timestamp_ntz"
    )
    found = rows.transform(with_next_clock_instant, "at", after="after", clock="clock", zone="zone").collect()
    assert [row["at"] for row in found] == [row["expected"] for row in found]


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
