"""Conditions on any number of columns: joined by pairs, as a plan that nests a hundred levels can't be sent."""

from collections.abc import Callable, Iterable
from operator import and_, or_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["all_of", "any_of"]


def all_of(conditions: "Iterable[Column]") -> "Column":
    """True where there are none."""
    return _joined(list(conditions), and_, of_none=True)


def any_of(conditions: "Iterable[Column]") -> "Column":
    """False where there are none."""
    return _joined(list(conditions), or_, of_none=False)


def _joined(conditions: "list[Column]", join: "Callable[[Column, Column], Column]", *, of_none: bool) -> "Column":
    from pyspark.sql import functions as F

    while len(conditions) > 1:
        pairs = [join(left, right) for left, right in zip(conditions[::2], conditions[1::2], strict=False)]
        conditions = pairs + conditions[2 * len(pairs) :]
    return conditions[0] if conditions else F.lit(of_none)
