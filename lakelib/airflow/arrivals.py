"""New deliveries as an asset: a DAG that is scheduled on it runs when files arrive, for the days that they are of."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from lakelib.airflow.project import settings_of
from lakelib.errors import DataError, UsageError

__all__ = ["ArrivalTrigger", "landed"]

_SEEN = "seen_until_ns"


def landed(project: Path | str, pattern: str, *, look_seconds: float = 60) -> Asset:
    """The asset that new deliveries of the pattern update; the triggerer looks for them every `look_seconds`.

    Its events carry `start_date` and `end_date`, the first and the last day of what is new. The first event is of all
    that is there. What arrives while nothing looks is told afterwards: an event may come twice, but none is lost.

    Raises:
        UsageError: a pattern without a date.
    """
    from lakelib.ingest.patterns import is_dated

    if not is_dated(pattern):
        raise UsageError(f"Deliveries {pattern} were to be watched for; their names have no date.")
    trigger = ArrivalTrigger(project=str(project), pattern=pattern, seconds=look_seconds)
    name = f"{project}: {pattern}"  # Airflow tells assets apart by their names, and may have several projects
    return Asset(name=name, watchers=[AssetWatcher(name=name, trigger=trigger)])


class ArrivalTrigger(BaseEventTrigger):
    """Fires each time that there are files which were made, moved or changed since it fired last."""

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
        seen = int(str(await store.aget(_SEEN, "0"))) if store else 0
        while True:
            arrived = await asyncio.to_thread(self._arrived, seen)
            if arrived:
                days = sorted(day for day, _ in arrived)
                yield TriggerEvent({"start_date": str(days[0]), "end_date": str(days[-1])})  # type: ignore[no-untyped-call]
                seen = max(changed for _, changed in arrived)
                if store:
                    await store.aset(_SEEN, str(seen))
            await asyncio.sleep(self.seconds)

    def _arrived(self, seen: int) -> list[tuple[date, int]]:
        """The day of each delivery that came after that moment, and when its file last changed its place or content."""
        from lakelib.ingest import csv
        from lakelib.ingest.deliveries import dated_files

        try:
            # Which files there are does not depend on their format.
            files = dated_files(csv(self.pattern), landing=settings_of(Path(self.project)).landing_path)
            states = [(day, path.stat()) for day, path in files]
            told = [(day, state.st_ctime_ns or state.st_mtime_ns) for day, state in states]  # a cloud tells the second
        except (DataError, OSError) as error:  # the folder is not there yet, a file was taken away
            self.log.warning("%s", error)
            return []
        return [(day, changed) for day, changed in told if changed > seen]
