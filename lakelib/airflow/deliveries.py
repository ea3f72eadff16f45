"""Waiting for deliveries without taking a slot: a sensor that looks once, and a trigger that goes on looking."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from lakelib.airflow.covering import covered_interval
from lakelib.airflow.project import settings_of
from lakelib.errors import UsageError
from lakelib.intervals import Interval

if TYPE_CHECKING:
    from airflow.sdk import Context
    from upath import UPath

__all__ = ["DeliverySensor", "DeliveryTrigger", "check_dated", "dated_deliveries", "missing_days"]


def check_dated(pattern: str) -> None:
    """Raises UsageError for a pattern without a date: there is no day to wait or to watch for."""
    from lakelib.ingest.patterns import is_dated

    if not is_dated(pattern):
        raise UsageError(f"Deliveries {pattern} were to be waited for; their names have no date.")


def dated_deliveries(pattern: str, *, landing: "UPath") -> "list[tuple[date, UPath]]":
    """The day and the file of each delivery of the pattern, the oldest day first.

    Raises:
        DataError: there is no such folder, or its store is away.
        UsageError: a pattern without a date.
    """
    from lakelib.ingest import csv
    from lakelib.ingest.deliveries import dated_files

    check_dated(pattern)
    return dated_files(csv(pattern), landing=landing)  # which files there are does not depend on their format


def missing_days(patterns: Sequence[str], interval: Interval, *, project: Path) -> list[date]:
    """The days of the interval for which landing lacks a delivery of one of the patterns.

    Raises as `dated_deliveries`.
    """
    landing = settings_of(project).landing_path
    missing: set[date] = set()
    for pattern in patterns:
        missing |= {*interval} - {day for day, _ in dated_deliveries(pattern, landing=landing)}
    return sorted(missing)


class DeliverySensor(BaseSensorOperator):
    """Done when each day that the DAG run covers has a delivery; it waits in the triggerer."""

    def __init__(self, *, project: Path | str, patterns: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self.project = str(project)
        self.patterns = list(patterns)

    def execute(self, context: "Context") -> None:
        interval = covered_interval(context)
        if missing := missing_days(self.patterns, interval, project=Path(self.project)):
            self.log.info("No delivery yet for %s.", ", ".join(map(str, missing)))
            trigger = DeliveryTrigger(
                project=self.project,
                patterns=self.patterns,
                first_day=str(interval.start),
                last_day=str(interval.end),
                seconds=self.poke_interval,
            )
            self.defer(trigger=trigger, method_name="arrived", timeout=timedelta(seconds=self.timeout))

    def arrived(self, context: "Context", event: dict[str, Any]) -> None:
        """What the trigger wakes up."""
        self.log.info("All days have a delivery.")


class DeliveryTrigger(BaseTrigger):
    """Fires once when each of the days has a delivery."""

    def __init__(self, *, project: str, patterns: Sequence[str], first_day: str, last_day: str, seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.project = project
        self.patterns = list(patterns)
        self.first_day = first_day
        self.last_day = last_day
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("project", "patterns", "first_day", "last_day", "seconds")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        interval = Interval.parse(self.first_day, self.last_day)
        # The sensor has looked just before, and a trigger that fires at once is too early for Airflow's scheduler: it
        # takes the end of the task that deferred for the end of the task that was woken up.
        await asyncio.sleep(self.seconds)
        while await asyncio.to_thread(missing_days, self.patterns, interval, project=Path(self.project)):
            await asyncio.sleep(self.seconds)
        yield TriggerEvent({"arrived": str(interval)})  # type: ignore[no-untyped-call]
