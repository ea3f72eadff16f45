"""What contracts promise about age, as deadlines of a DAG run; missed, the addresses in `alerts` are told."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from lakelib.airflow.blueprints import Blueprint
from lakelib.airflow.project import settings_of
from lakelib.settings import Settings

__all__ = ["deadlines", "tell_what_is_late"]

_SPARE_SECONDS: Final = 1.0  # a table is late after the moment, not at it


def deadlines(blueprints: Sequence[Blueprint], settings: Settings) -> list[DeadlineAlert]:
    """One for each age that a contract promises, counted from the start of the data interval.

    The run before was due then, so a table that this run has not written by the deadline is late, or is as soon as the
    time that the run before took is over, too. An age that is no longer than the interval is over when the run is made:
    Airflow shows it as missed, and the callback waits. Where nobody is to be told, there are none.
    """
    promised = {each.promised_seconds for each in blueprints if each.promised_seconds and settings.alerts}
    return [
        DeadlineAlert(
            reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
            interval=timedelta(seconds=seconds),
            callback=AsyncCallback(tell_what_is_late, {"project": str(settings.project), "seconds": seconds}),
            name=f"at most {seconds / 3600:g} h old",
        )
        for seconds in sorted(promised)
    ]


async def tell_what_is_late(*, project: str, seconds: float, context: Mapping[str, Any]) -> None:
    """For the triggerer: waits until what promises this age and was not written by the run is late, and tells of it.

    What is told is what `lake status --alert` tells: each problem once, whoever found it.
    """
    due = datetime.fromisoformat(context["dag_run"]["run_after"])
    await asyncio.sleep(await asyncio.to_thread(_seconds_left, Path(project), seconds, since=due))
    await asyncio.to_thread(_tell, Path(project))


def _seconds_left(project: Path, seconds: float, *, since: datetime) -> float:
    """Until all tables are late that promise this age and were written last before `since`."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.health import look

    settings, age = settings_of(project), timedelta(seconds=seconds)
    with open_store(settings) as store:
        ends = [each.succeeded_at for each in look(settings, store) if each.promised == age and each.succeeded_at]
    left = [(end + age - datetime.now(UTC)).total_seconds() for end in ends if end < since]
    return max([0.0, *(each + _SPARE_SECONDS for each in left)])


def _tell(project: Path) -> None:
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.alerting import announce
    from lakelib.runner.health import look

    settings = settings_of(project)
    with open_store(settings) as store:
        announce(look(settings, store), settings=settings, store=store)
