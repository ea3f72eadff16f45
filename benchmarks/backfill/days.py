"""Some days of a long span, each run alone on a lake that holds all the days before it.

What lies between two of them is run at once and not measured, so the lake is as full as it would be after daily runs;
its tables have fewer versions and files than those would leave.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial

from benchmarks.backfill.intervals import parse, run_interval
from benchmarks.ours import spark_pids
from benchmarks.sampling import sampled, write_samples
from lakelib.intervals import Interval
from lakelib.settings import load_settings

__all__ = ["spread_days"]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("span", help="FIRST..LAST")
    options.add_argument("--sample", type=int, required=True, help="so many of its days")
    given = options.parse_args()
    (span,), settings = parse([given.span]), load_settings()
    samples = []
    for gap, day in _steps(span, spread_days(span, given.sample)):
        if gap is not None:
            run_interval(gap)
        samples.append(sampled(partial(_run_day, day), residents=partial(spark_pids, settings)))
    write_samples(samples)


def spread_days(span: Interval, count: int) -> Sequence[date]:
    """Evenly over the span, from its first day to its last."""
    days = list(span)
    return [days[round(n * (len(days) - 1) / (count - 1))] for n in range(count)]


def _steps(span: Interval, days: Sequence[date]) -> Iterator[tuple[Interval | None, date]]:
    """Each day with what lies between it and the day before it."""
    unseen = span.start
    for day in days:
        yield (Interval(unseen, day - timedelta(days=1)) if day > unseen else None), day
        unseen = day + timedelta(days=1)


def _run_day(day: date) -> Mapping[str, float]:
    run_interval(Interval(day, day))
    return {}


if __name__ == "__main__":
    main()
