"""New deliveries as an asset: a DAG that is scheduled on it runs when files arrive, for the days that they are of."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from lakelib.airflow.deliveries import check_dated, dated_deliveries
from lakelib.airflow.project import settings_of
from lakelib.errors import LakeError

if TYPE_CHECKING:
    from upath import UPath

__all__ = ["ArrivalTrigger", "landed"]

# Where Airflow keeps for its asset what was told: 30 bytes a day, however many files a day has. At 64 KB, six years of
# days, it begins to warn in its log that this is much; it keeps it all the same.
_TOLD: Final = "told_of_days"


def landed(project: Path | str, pattern: str, *, look_seconds: float = 60) -> Asset:
    """The asset that new deliveries of the pattern update; the triggerer looks for them every `look_seconds`.

    Its events carry `start_date` and `end_date`, the first and the last day of what is new. The first event is of all
    that is there. What arrives while nothing looks is told afterwards: an event may come twice, but none is lost, given
    that `look_seconds` is more than the second or two in which a triggerer passes an event on.

    Raises:
        UsageError: a pattern without a date.
    """
    check_dated(pattern)
    trigger = ArrivalTrigger(project=str(project), pattern=pattern, seconds=look_seconds)
    name = f"{project}: {pattern}"  # Airflow tells assets apart by their names, and may have several projects
    return Asset(name=name, watchers=[AssetWatcher(name=name, trigger=trigger)])


class ArrivalTrigger(BaseEventTrigger):
    """Fires each time that there are days whose files are others than when it fired last."""

    def __init__(self, *, project: str, pattern: str, seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.project = project
        self.pattern = pattern
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("project", "pattern", "seconds")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        store = self.asset_state_store
        kept = await store.aget(_TOLD, {}) if store else {}
        told = kept if isinstance(kept, dict) else {}
        while True:
            there = await asyncio.to_thread(self._there)
            days = sorted(day for day in there if there[day] != told.get(day))
            if days:
                yield TriggerEvent({"start_date": days[0], "end_date": days[-1]})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.seconds)
            if days:
                told = {**told, **there}
                # Only here: the triggerer has the event in its memory alone, until it comes round to sending it.
                if store:
                    await store.aset(_TOLD, told)

    def _there(self) -> dict[str, str]:
        """A digest of the files of each day that has any; nothing while that can't be found out."""
        from lakelib.ingest.stores import store_errors

        try:
            landing = settings_of(Path(self.project)).landing_path
            files = dated_deliveries(self.pattern, landing=landing)
            with store_errors(landing):
                states = [(str(day), _state(path)) for day, path in files]
        except (LakeError, OSError) as error:  # no folder yet, a file that was taken away, a store that is away
            self.log.warning("%s", error)
            return {}
        return {day: _digest([state for _, state in each]) for day, each in groupby(states, key=itemgetter(0))}


def _state(path: "UPath") -> str:
    """Another one when the file was moved, changed, or put in the place of another."""
    told = path.stat()
    return f"{path} {told.st_size} {told.st_ctime_ns or told.st_mtime_ns}"  # a cloud tells of changes only


def _digest(states: list[str]) -> str:
    return sha256("\n".join(states).encode()).hexdigest()[:12]
