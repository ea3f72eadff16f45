import pytest

from lakelib.transform import with_date_text, with_day_first_dates, with_month_first_dates
from tests.engines import embedded


@pytest.mark.parametrize(
    ("verb", "text", "iso"),
    [
        (with_month_first_dates, "3/14/2020", "2020-03-14"),
        (with_month_first_dates, "03-14-2020 9:05", "2020-03-14 9:05"),
        (with_month_first_dates, "2020-03-14", "2020-03-14"),
        (with_month_first_dates, "14 March", "14 March"),
        (with_month_first_dates, None, None),
        (with_day_first_dates, "14.3.2020", "2020-03-14"),
        (with_day_first_dates, "3/14/2020", "2020-14-03"),
    ],
)
@embedded
def test_dates_are_written_as_casting_reads_them(engine, verb, text, iso):
    rows = engine.session.createDataFrame([(text,)], "seen_on string")
    assert rows.transform(verb, "seen_on").collect() == [(iso,)]


@embedded
def test_a_part_that_is_too_long_stays_wrong(engine):
    rows = engine.session.createDataFrame([("2020", "123", "4")], "y string, m string, d string")
    assert rows.transform(with_date_text, "text", year="y", month="m", day="d").first()["text"] == "2020-123-04"
