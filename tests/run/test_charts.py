import time
from decimal import Decimal

import pytest

from lakelib.run import bar_chart, line_chart
from tests.engines import embedded

pytestmark = embedded
NO_HEIGHT = [None, float("nan"), float("inf"), float("-inf"), -1.7976931348623157e308]


@pytest.mark.parametrize("chart", [bar_chart, line_chart])
def test_decimals_are_drawn_as_the_doubles_they_are(engine, chart):
    rows = engine.session.createDataFrame([("a", Decimal("1.50")), ("b", Decimal("-2.25"))], "x string, y decimal(9,2)")
    doubles = rows.withColumn("y", rows["y"].cast("double"))
    assert chart(rows, title="", x="x", y="y").svg == chart(doubles, title="", x="x", y="y").svg


@pytest.mark.parametrize("chart", [bar_chart, line_chart])
@pytest.mark.parametrize("value", NO_HEIGHT)
def test_what_has_no_height_is_a_gap(engine, chart, value):
    rows = engine.session.createDataFrame([("a", value), ("b", 1.0), ("c", 3.0)], "x string, y double")
    drawn = chart(rows, title="", x="x", y="y").svg
    assert drawn.count("<rect") + drawn.count("<circle") == 2
    assert "nan" not in drawn
    assert "inf" not in drawn


@pytest.mark.parametrize("chart", [bar_chart, line_chart])
def test_instants_are_told_in_utc_wherever_the_machine_is(engine, chart, monkeypatch):
    rows = engine.session.sql("SELECT TIMESTAMP '2024-01-01 05:30:00Z' AS x, 1 AS y")
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert ">2024-01-01 05:30:00<" in chart(rows, title="", x="x", y="y").svg
    finally:
        monkeypatch.undo()
        time.tzset()


def test_lines_that_are_not_drawn_are_counted(engine):
    rows = engine.session.createDataFrame([(1, 2.0, name) for name in "abcdefgh"], "x int, y double, name string")
    assert ">and 2 more<" in line_chart(rows, title="", x="x", y="y", by="name").svg
    few = rows.where("name < 'g'")
    assert "more<" not in line_chart(few, title="", x="x", y="y", by="name").svg
