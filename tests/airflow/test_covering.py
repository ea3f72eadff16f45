"""Which days a DAG run covers, for every way it can come about."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lakelib.airflow.covering import covered_interval
from lakelib.errors import ParameterError


def _context(
    *,
    data: tuple[datetime, datetime] | None = None,
    params: dict[str, str] | None = None,
    extras: list[dict[str, Any]] | None = None,
    zone: str = "UTC",
    conf: dict[str, Any] | None = None,
) -> dict[str, Any]:
    start, end = data or (None, None)
    run = SimpleNamespace(
        data_interval_start=start, data_interval_end=end, run_after=datetime(2013, 1, 5, 6, tzinfo=UTC), conf=conf
    )
    return {
        "dag_run": run,
        "dag": SimpleNamespace(timezone=ZoneInfo(zone)),
        "params": {"start_date": None, "end_date": None} | (params or {}),
        "triggering_asset_events": {"asset": [SimpleNamespace(extra=extra) for extra in extras or []]},
    }


DAY = (datetime(2013, 1, 4, tzinfo=UTC), datetime(2013, 1, 5, tzinfo=UTC))
MONTH = (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC))
IN_PARIS = (datetime(2013, 1, 3, 23, tzinfo=UTC), datetime(2013, 1, 4, 23, tzinfo=UTC))
INSTANT = (datetime(2013, 1, 5, tzinfo=UTC), datetime(2013, 1, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("context", "days"),
    [
        (_context(data=DAY), "2013-01-04"),
        (_context(data=MONTH), "2013-01-01..2013-01-31"),
        (_context(data=IN_PARIS, zone="Europe/Paris"), "2013-01-04"),
        (_context(data=INSTANT), "2013-01-05"),
        (_context(), "2013-01-05"),
        (_context(conf={"region": "west", "update_date": "2013-01-09"}), "2013-01-05"),
        (_context(data=DAY, params={"start_date": "2013-02-01", "end_date": "2013-02-03"}), "2013-02-01..2013-02-03"),
        (_context(params={"start_date": "2013-02-01"}), "2013-02-01"),
        (_context(params={"end_date": "2013-02-03"}), "2013-02-03"),
        (
            _context(
                extras=[
                    {"start_date": "2013-01-03", "end_date": "2013-01-04"},
                    {"start_date": "2013-01-01", "end_date": "2013-01-01"},
                    {"start_date": None, "end_date": None},
                ]
            ),
            "2013-01-01..2013-01-04",
        ),
        (_context(extras=[{}]), "2013-01-05"),
        (
            _context(extras=[{"payload": {"start_date": "2013-01-02", "end_date": "2013-01-03"}}]),
            "2013-01-02..2013-01-03",
        ),
        *(
            (_context(extras=[{"from_trigger": True, "payload": other}]), "2013-01-05")
            for other in (True, "a.csv", [1])
        ),
        (_context(extras=[{"payload": {"start_date": "2013-01-02"}}]), "2013-01-02"),
    ],
)
def test_a_run_covers(context: dict[str, Any], days: str) -> None:
    assert str(covered_interval(context)) == days


def test_days_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ParameterError, match="ends before it starts"):
        covered_interval(_context(params={"start_date": "2013-02-03", "end_date": "2013-02-01"}))


@pytest.mark.parametrize("name", ["start_dat", "startDate", "START_DATE", "start-date", "end_data"])
def test_a_misspelt_name_is_no_run_over_another_day(name: str) -> None:
    with pytest.raises(ParameterError, match="Did you mean (start|end)_date?"):
        covered_interval(_context(conf={name: "2013-02-01"}))
