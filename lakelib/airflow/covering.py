"""Which delivery days a DAG run covers."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Any, Final

from lakelib.errors import ParameterError
from lakelib.intervals import Interval

__all__ = ["covered_interval"]

_NAMES: Final = ("start_date", "end_date")
_MISSPELT: Final = 0.7  # start_dat, startDate and start-date are


def covered_interval(context: Mapping[str, Any]) -> Interval:
    """The days that this DAG run covers: the first of these that says it.

    - `start_date` and `end_date` that the run was triggered with; one of them alone is one day;
    - the asset events that triggered it: from their first day to their last;
    - its data interval, as days in the DAG's time zone, the end excluded;
    - the day it was asked for. A run that was triggered without a logical date has nothing else.

    Raises:
        ParameterError: a date that is none, an end before its start, or a date's name is misspelt.
    """
    run, zone = context["dag_run"], context["dag"].timezone
    _check_names(run.conf or {})
    given = _given(context["params"])
    if given is not None:
        return given
    reported = _reported(context.get("triggering_asset_events") or {})
    if reported is not None:
        return reported
    start, end = run.data_interval_start, run.data_interval_end
    return _days(start, end, zone) if start and end else _days(run.run_after, run.run_after, zone)


def _check_names(conf: Mapping[str, Any]) -> None:
    """Airflow takes any name along: a misspelt one would be a run over another day. Others are for other tasks."""
    for name in conf:
        meant = get_close_matches(name.lower(), _NAMES, n=1, cutoff=_MISSPELT)
        if meant and name not in _NAMES:
            raise ParameterError(f"The run was triggered with {name!r}.", hint=f"Did you mean {meant[0]}?")


def _given(params: Mapping[str, Any]) -> Interval | None:
    days = [params[name] for name in _NAMES if params.get(name)]
    return Interval.parse(days[0], days[-1]) if days else None


def _reported(events: Mapping[Any, Iterable[Any]]) -> Interval | None:
    told = [_given(_extra(event)) for of_asset in events.values() for event in of_asset]
    dated = [each for each in told if each is not None]
    return Interval(min(each.start for each in dated), max(each.end for each in dated)) if dated else None


def _extra(event: Any) -> Mapping[str, Any]:
    payload = event.extra.get("payload")  # of a watcher, which may be any JSON
    return payload if isinstance(payload, Mapping) else event.extra


def _days(start: datetime, end: datetime, zone: tzinfo) -> Interval:
    last = max(start, end - timedelta(microseconds=1))
    return Interval(start.astimezone(zone).date(), last.astimezone(zone).date())
