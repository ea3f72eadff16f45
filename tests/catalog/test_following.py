import json
import time
from threading import Event
from typing import Any

from filelock import FileLock

from lakelib.catalog.emitting import emit, open_spool, status
from lakelib.catalog.following import follow, tell_next
from lakelib.settings import CatalogSettings, Settings, load_settings
from tests.catalog.datahub_double import DataHubDouble
from tests.runner.projects import Project, until


def settings_of(shop: Project, *, after_runs: bool) -> Settings:
    return load_settings(shop.folder, catalog=CatalogSettings(after_runs=after_runs))


def test_the_catalog_is_told_while_nobody_waits(shop: Project) -> None:
    settings = settings_of(shop, after_runs=True)
    started = time.monotonic()
    follow(settings)
    assert time.monotonic() - started < 1
    while [sent.had for sent in status(settings)] != [6]:
        assert time.monotonic() - started < 60, (settings.catalog_state / "emit.log").read_text()
        time.sleep(0.1)
    assert status(settings)[0].waiting == 0


def test_a_run_ends_before_the_catalog_is_told_and_loses_nothing_while_it_is_away(
    shop: Project, double: DataHubDouble
) -> None:
    (shop.folder / "conf" / "local.yml").write_text(
        f"parallel: 2\ncatalog: {{sinks: [server], server: '{double.url}', after_runs: true}}\n"
    )
    log = shop.folder / ".lake" / "catalog" / "emit.log"
    double.healthy = 0
    run(shop)
    until(lambda: log.is_file() and "0 taken, 7 waiting" in log.read_text(), seconds=60)
    assert double.taken == []
    double.healthy, is_free = None, Event()
    double.on_post = lambda _: is_free.wait(60) or None
    run(shop)
    assert double.taken == []
    is_free.set()
    until(lambda: [(sent.had, sent.waiting) for sent in status(shop.settings)] == [(8, 0)], seconds=60)
    with open_spool(shop.settings) as spool:
        items = [json.loads(item.content) for item in spool.items()]
    assert named(double.taken) == [name for item in items for name in named(item)]
    [sent] = emit(shop.settings)
    assert (sent.taken, sent.waiting) == (0, 0)


def run(shop: Project) -> None:
    done = shop.lake("run", "gold.totals", "--from", "2013-01-01", "--to", "2013-01-01")
    assert done.returncode == 0, done.stderr


def named(proposals: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["entityUrn"], each["aspectName"]) for each in proposals]


def test_nothing_is_begun_unless_it_is_wanted(shop: Project) -> None:
    follow(settings_of(shop, after_runs=False))
    assert not (shop.folder / ".lake/catalog/emit.log").exists()


def test_a_third_one_does_not_wait(shop: Project) -> None:
    settings = settings_of(shop, after_runs=True)
    settings.catalog_state.mkdir(exist_ok=True)
    with FileLock(settings.catalog_state / "waiting.lock"):
        assert tell_next(settings) == []
    [sent] = tell_next(settings)
    assert (sent.taken, sent.waiting) == (6, 0)
