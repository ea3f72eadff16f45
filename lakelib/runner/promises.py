"""How old a table may become: what its contract says of age."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from lakelib.contracts import Contract

__all__ = ["UNITS", "promised_age"]

UNITS: Final[Mapping[str, timedelta]] = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "mo": timedelta(days=30),
    "y": timedelta(days=365),
}
_OF_AGE: Final = ("freshness", "latency", "frequency")


def promised_age(contract: Contract) -> timedelta | None:
    """The strictest of its service levels that speak of age, such as latency: 1 d; None where none does.

    Units are as in `h`, `hours` or `months` (of 30 days); a level of another unit is left out.
    """
    levels = [level for level in contract.service_levels if level.property in _OF_AGE]
    ages = [float(level.value) * unit for level in levels if (unit := _unit(level.unit or "d"))]
    return min(ages, default=None)


def _unit(name: str) -> timedelta | None:
    return UNITS.get(name[:2]) or UNITS.get(name[:1])
