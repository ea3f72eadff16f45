import time

from filelock import FileLock

from lakelib.catalog.emitting import status
from lakelib.catalog.following import follow, tell_next
from lakelib.settings import CatalogSettings, Settings, load_settings
from tests.runner.projects import Project


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
