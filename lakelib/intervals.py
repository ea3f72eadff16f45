"""The closed range of delivery dates a run covers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from lakelib.errors import ParameterError

__all__ = ["Interval"]


@dataclass(frozen=True, order=True)
class Interval:
    """`start`..`end`, both included.

    One run over a month gives the same tables as thirty runs over its days, in any order.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ParameterError(
                f"An interval was asked for from {self.start} to {self.end}, which ends before it starts.",
                hint="Swap the two dates.",
            )

    @classmethod
    def parse(cls, start: str | date, end: str | date) -> Self:
        """Both as dates or ISO text (2013-01-31). Raises ParameterError for anything else."""
        return cls(_date(start), _date(end))

    def days_earlier(self, days: int) -> "Interval":
        """The same end, started `days` days earlier: for a source that corrects its past."""
        return Interval(self.start - min(timedelta(days=days), self.start - date.min), self.end)

    def days_later(self, days: int) -> "Interval":
        """The same start, ended `days` days later."""
        return Interval(self.start, self.end + min(timedelta(days=days), date.max - self.end))

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    def __iter__(self) -> Iterator[date]:
        return (self.start + timedelta(days=n) for n in range((self.end - self.start).days + 1))

    def __str__(self) -> str:
        return f"{self.start}" if self.start == self.end else f"{self.start}..{self.end}"


def _date(value: str | date) -> date:
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        return date.fromisoformat(value)  # type: ignore[arg-type]  # to which an instant is a TypeError
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"A date was asked for and {value!r} was given.", hint="Dates are written 2013-01-31."
        ) from error
