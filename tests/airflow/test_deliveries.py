"""Waiting for deliveries: what is missing, and when the trigger fires."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from threading import Timer

import pytest

from lakelib.airflow import landed
from lakelib.airflow.arrivals import ArrivalTrigger
from lakelib.airflow.deliveries import DeliveryTrigger, missing_days
from lakelib.errors import UsageError
from lakelib.intervals import Interval
from tests.runner.projects import Project

DAYS = Interval.parse("2013-01-01", "2013-01-03")
PATTERN = "a/a_{date}.csv"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = Project.create(tmp_path / "project").folder
    (folder / "data" / "landing" / "a").mkdir(parents=True)
    return folder


def _deliver(project: Path, *names: str) -> None:
    for name in names:
        (project / "data" / "landing" / "a" / name).write_text("x\n1\n")


def test_days_without_a_whole_delivery_are_missing(project):
    _deliver(project, "a_2013-01-01.csv", "a_2013-01-02.csv.part", "b_2013-01-03.csv")
    assert missing_days([PATTERN], DAYS, project=project) == [date(2013, 1, 2), date(2013, 1, 3)]


def test_each_pattern_wants_its_own_delivery(project):
    _deliver(project, "a_2013-01-01.csv", "a_2013-01-02.csv", "a_2013-01-03.csv", "b_2013-01-01.csv")
    missing = missing_days([PATTERN, "a/b_{date}.csv"], DAYS, project=project)
    assert missing == [date(2013, 1, 2), date(2013, 1, 3)]


def test_undated_deliveries_are_nothing_to_wait_for(project):
    with pytest.raises(UsageError, match="no date"):
        missing_days(["a/a.csv"], DAYS, project=project)


def test_the_trigger_fires_when_the_last_day_has_arrived(project):
    _deliver(project, "a_2013-01-01.csv")
    wanted = {"project": str(project), "patterns": [PATTERN], "first_day": "2013-01-01", "last_day": "2013-01-02"}
    trigger = DeliveryTrigger(**wanted, seconds=0.05)
    assert trigger.serialize() == ("lakelib.airflow.deliveries.DeliveryTrigger", wanted | {"seconds": 0.05})
    late = Timer(0.3, _deliver, [project, "a_2013-01-02.csv"])
    late.start()
    event = asyncio.run(asyncio.wait_for(anext(trigger.run()), timeout=10))
    assert (event.payload, late.finished.is_set()) == ({"arrived": "2013-01-01..2013-01-02"}, True)


class _Store:
    """What the triggerer gives a trigger of an asset: it stays when the triggerer is gone."""

    def __init__(self) -> None:
        self.kept: dict[str, object] = {}

    async def aget(self, key: str, default: object) -> object:
        return self.kept.get(key, default)

    async def aset(self, key: str, value: object) -> None:
        self.kept[key] = value


async def _events(trigger: ArrivalTrigger, store: _Store) -> AsyncIterator[dict[str, str]]:
    trigger.asset_state_store = store
    async for event in trigger.run():
        yield event.payload


def test_each_arrival_is_told_once_also_by_a_triggerer_that_starts_anew(project):
    _deliver(project, "a_2013-01-01.csv", "a_2013-01-03.csv", "a_2013-01-02.csv.part")
    [watcher] = landed(project, PATTERN, look_seconds=0.05).watchers
    store = _Store()

    async def told() -> list[dict[str, str]]:
        first = _events(watcher.trigger, store)
        all_there = await anext(first)
        late = Timer(0.2, _deliver, [project, "a_2013-01-02.csv"])
        late.start()
        arrived = await anext(first)
        await asyncio.wait([asyncio.ensure_future(anext(first))], timeout=0.2)
        _deliver(project, "a_2013-01-01.csv")
        return [all_there, arrived, await anext(_events(watcher.trigger, store))]

    assert asyncio.run(asyncio.wait_for(told(), timeout=10)) == [
        {"start_date": "2013-01-01", "end_date": "2013-01-03"},
        {"start_date": "2013-01-02", "end_date": "2013-01-02"},
        {"start_date": "2013-01-01", "end_date": "2013-01-01"},
    ]
