"""Alerts: a person is told of each problem once, and once that it is over."""

import logging
from collections.abc import Sequence

from lakelib.runner.health import TableHealth
from lakelib.runner.leases import leased
from lakelib.runner.store import RunStore
from lakelib.secrets import resolved
from lakelib.settings import Settings

__all__ = ["announce"]

_log = logging.getLogger("lakelib.runner")


def announce(tables: Sequence[TableHealth], *, settings: Settings, store: RunStore) -> list[str]:
    """Tells the addresses in `alerts` of problems that came and of those that went; what was told.

    The run store keeps what was told. What could not be sent is told the next time.
    """
    problems = {(each.table, kind): message for each in tables for kind, message in each.problems.items()}
    sent = []
    with leased("alerts", "all", settings=settings, is_stopped=lambda: False):
        known = store.incidents()
        for table, kind in sorted(problems.keys() - known):
            words = f"{table} {kind}: {problems[table, kind]}"
            if _is_sent(settings, words):
                store.open_incident(table, kind)
                sent.append(words)
        for table, kind in sorted(known - problems.keys()):
            words = f"{table} recovered: no longer {kind}"
            if _is_sent(settings, words):
                store.close_incident(table, kind)
                sent.append(words)
    return sent


def _is_sent(settings: Settings, words: str) -> bool:
    import apprise

    receivers = apprise.Apprise()
    for address in settings.alerts:
        receivers.add(resolved(address))
    if receivers.notify(title=f"lake {settings.project.name}", body=words):
        return True
    _log.warning("An alert could not be sent to all of `alerts`, and will be tried again: %s", words)
    return False
