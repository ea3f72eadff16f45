"""How old a table may become: what its contract says of age."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

from lakelib.contracts import Contract
from lakelib.contracts.model import ServiceLevel

__all__ = ["UNITS", "promised_age"]

_SPANS: Final = {
    ("s", "sec", "second", "seconds"): timedelta(seconds=1),
    ("m", "min", "minute", "minutes"): timedelta(minutes=1),
    ("h", "hr", "hour", "hours"): timedelta(hours=1),
    ("d", "day", "days"): timedelta(days=1),
    ("w", "week", "weeks"): timedelta(weeks=1),
    ("mo", "month", "months"): timedelta(days=30),
    ("y", "yr", "year", "years"): timedelta(days=365),
}
UNITS: Final[Mapping[str, timedelta]] = {name: span for names, span in _SPANS.items() for name in names}
_OF_AGE: Final = ("freshness", "latency", "frequency")


def promised_age(contract: Contract) -> timedelta | None:
    """The strictest of its service levels that speak of age, such as latency: 1 d; None where none does.

    Units are as in `h`, `Hours` or `months` (of 30 days). A level of another unit is left out, and so is one whose
    value is no number above 0, such as frequency: daily.
    """
    ages = [_age(level) for level in contract.service_levels if level.property in _OF_AGE]
    return min((age for age in ages if age and age > timedelta()), default=None)


def _age(level: ServiceLevel) -> timedelta | None:
    unit = UNITS.get((level.unit or "d").strip().lower())
    if unit is None or isinstance(level.value, bool):
        return None
    with suppress(TypeError, ValueError, OverflowError):  # ODCS allows any text, or nothing
        return float(level.value) * unit
    return None
