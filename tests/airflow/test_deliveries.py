"""Waiting for deliveries: what is missing, and when the trigger fires."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from threading import Timer
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lakelib.airflow import landed
from lakelib.airflow.arrivals import ArrivalTrigger
from lakelib.airflow.deliveries import DeliveryTrigger, missing_days
from lakelib.errors import UsageError
from lakelib.intervals import Interval
from lakelib.settings import load_settings
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


def _trigger(project: Path, *, seconds: float = 0.05) -> ArrivalTrigger:
    return ArrivalTrigger(project=str(project), pattern=PATTERN, seconds=seconds)


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


def test_files_that_are_older_than_what_was_told_are_new_where_they_were_not_seen(project):
    """A folder that is moved into landing leaves its files' times as they were."""
    elsewhere = project / "data" / "2013-01"
    elsewhere.mkdir()
    (elsewhere / "a_2013-01-02.csv").write_text("x\n1\n")
    _deliver(project, "a_2013-01-01.csv", "a_2013-01-03.csv")

    async def told() -> dict[str, str]:
        events = _events(_trigger(project), _Store())
        await anext(events)
        elsewhere.rename(project / "data" / "landing" / "a" / "2013-01")
        return await anext(events)

    assert asyncio.run(asyncio.wait_for(told(), timeout=10)) == {"start_date": "2013-01-02", "end_date": "2013-01-02"}


def test_what_was_told_just_before_a_kill_is_told_again(project):
    _deliver(project, "a_2013-01-01.csv")
    store = _Store()

    async def told() -> list[dict[str, str]]:
        first = _events(_trigger(project, seconds=60), store)
        before = await anext(first)
        killed = asyncio.ensure_future(anext(first))
        await asyncio.wait([killed], timeout=0.2)
        killed.cancel()
        return [before, await anext(_events(_trigger(project), store))]

    before, again = asyncio.run(asyncio.wait_for(told(), timeout=10))
    assert before == again


def test_a_look_that_fails_is_a_warning_and_the_next_one_tells(project, capsys):
    """As when somebody edits the configuration."""
    _deliver(project, "a_2013-01-01.csv")
    conf = project / "conf" / "local.yml"
    right = conf.read_text()
    conf.write_text("parallel: [")

    async def told() -> dict[str, str]:
        event = asyncio.ensure_future(anext(_events(_trigger(project), _Store())))
        await asyncio.wait([event], timeout=0.3)
        conf.write_text(right)
        return await event

    assert asyncio.run(asyncio.wait_for(told(), timeout=10)) == {"start_date": "2013-01-01", "end_date": "2013-01-01"}
    assert "local.yml" in capsys.readouterr().out


def test_a_store_that_goes_away_in_a_look_does_not_end_the_trigger(project, monkeypatch):
    conf = project / "conf" / "local.yml"
    conf.write_text(f"landing: memory://{uuid4()}")
    file = load_settings(project).landing_path / "a" / "a_2013-01-01.csv"
    file.parent.mkdir(parents=True)
    file.write_text("x\n1\n")
    away = type("HTTPClientError", (Exception,), {"__module__": "botocore.exceptions"})  # as the client of S3 has it
    answers, asked = [away("closed")], MemoryFileSystem.info

    def info(self, path, **options):
        if path.endswith(".csv") and answers:
            raise answers.pop()
        return asked(self, path, **options)

    monkeypatch.setattr(MemoryFileSystem, "info", info)
    event = asyncio.run(asyncio.wait_for(anext(_events(_trigger(project), _Store())), timeout=10))
    assert (event["start_date"], answers) == ("2013-01-01", [])
