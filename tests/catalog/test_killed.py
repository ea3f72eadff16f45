"""A process that emits, killed with SIGKILL again and again: nothing is lost or doubled, order is kept."""

import json
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from lakelib.catalog.emitting import emit, open_spool, status
from lakelib.settings import CatalogSettings, Settings, load_settings
from tests.catalog.conftest import to_server
from tests.catalog.datahub_double import DataHubDouble
from tests.catalog.nursery import Nursery, nursery
from tests.runner.projects import Project


@pytest.fixture(scope="module")
def emitter() -> Iterator[Nursery]:
    with nursery() as started:
        yield started


def emit_and_kill_at(post: int, moment: str, settings: Settings, *, of: tuple[Nursery, DataHubDouble]) -> bool:
    """Kills it when that post came, so that this is lost, or when it was taken and has no answer yet."""
    emitter, double = of
    seen: list[str] = []

    def kill(now: str) -> None:
        seen.append(now)
        if now == moment and seen.count(now) == post:
            emitter.kill()
            if now == "came":
                raise ConnectionAbortedError

    double.on_post = kill
    emitter.begin(settings)
    return emitter.was_killed()


def spooled(settings: Settings) -> list[list[dict[str, Any]]]:
    """The proposals of each item, in order."""
    with open_spool(settings) as spool:
        return [json.loads(item.content) for item in spool.items()]


def names(proposals: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["entityUrn"], each["aspectName"]) for each in proposals]


def test_killed_at_each_post(shop: Project, double: DataHubDouble, emitter: Nursery) -> None:
    settings = to_server(shop, double)
    moments = (1, "came"), (1, "taken"), (2, "came"), (1, "taken"), (2, "taken"), (3, "came")
    assert all(emit_and_kill_at(post, moment, settings, of=(emitter, double)) for post, moment in moments)
    assert not emit_and_kill_at(9, "came", settings, of=(emitter, double))
    assert status(settings)[0].waiting == 0
    items = spooled(settings)
    assert sent_once(names(double.taken), [names(item) for item in items]) == [name for i in items for name in names(i)]
    assert double.stored == DataHubDouble(taken=[each for item in items for each in item]).stored


def sent_once(taken: list[tuple[str, str]], items: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """What was taken, in order, without the items that came again because no answer was given."""
    once: list[tuple[str, str]] = []
    for size in map(len, items):
        item = taken[:size]
        while item and taken[:size] == item:
            taken = taken[size:]
        once += item
    return once + taken


def test_killed_while_it_fills_the_spool(shop: Project, emitter: Nursery) -> None:
    settings = load_settings(shop.folder, catalog=CatalogSettings(sinks=("files",)))
    kills = 0
    for milliseconds in range(0, 200, 40):
        emitter.begin(settings)
        time.sleep(milliseconds / 1000)
        emitter.kill()
        kills += emitter.was_killed()
    assert kills > 1
    emit(settings)
    with open_spool(settings) as spool:
        items = list(spool.items())
    assert [kind for kind, _ in groupby(item.subject.partition(" ")[0] for item in items)] == ["table", "run"]
    assert len({item.subject for item in items}) == len(items) == 6
    assert [item.content for item in items] == [path.read_text() for path in files(settings)]


def files(settings: Settings) -> list[Path]:
    return sorted((settings.catalog_state / "files").glob("[0-9]*.json"))


def test_killed_while_it_writes_to_lite(shop: Project, emitter: Nursery) -> None:
    settings = load_settings(shop.folder)
    emitter.begin(settings)
    while not (settings.catalog_state / "datahub.db").exists():
        time.sleep(0.005)
    emitter.kill()
    assert emitter.was_killed()
    assert [sent.waiting for sent in emit(settings)] == [0]
