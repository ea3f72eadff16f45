"""Readings of local clocks become instants."""

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = ["with_clock_instant", "with_next_clock_instant"]

_MIDNIGHT: Final = 2400


def with_clock_instant(df: DataFrame, name: str, *, day: str, clock: str, zone: str) -> DataFrame:
    """Adds the instant (UTC) at which a clock in time zone `zone` (IANA name) showed `clock` on the local date `day`.

    `clock` is an integer hhmm; 2400 is the midnight that ends the day. Null where one of the three is null. A time
    that the clocks skip in spring is taken after the skip; one that they show twice in autumn is the first of the two.
    """
    return df.withColumn(name, _instant(F.col(day), F.col(clock), F.col(zone)))


def with_next_clock_instant(df: DataFrame, name: str, *, after: str, clock: str, zone: str) -> DataFrame:
    """Adds the first instant at or after `after` (an instant) at which a clock in `zone` shows `clock` (hhmm).

    The day is counted on that clock, so that a day of 23 or 25 hours is one day.
    """
    shown = F.col(clock) % F.lit(_MIDNIGHT)
    # A column each: an expression that has them inside, several times, takes the engine longer to plan than to compute.
    today = F.to_date(F.from_utc_timestamp(F.col(after), F.col(zone)))
    first = _instant(F.col("_today"), shown, F.col(zone))
    next_day = _instant(F.date_add("_today", 1), shown, F.col(zone))
    instant = F.when(F.col("_first") >= F.col(after), F.col("_first")).otherwise(next_day)
    return df.withColumn("_today", today).withColumn("_first", first).withColumn(name, instant).drop("_today", "_first")


def _instant(day: Column, clock: Column, zone: Column) -> Column:
    minutes = (F.floor(clock / 100) * 60 + clock % 100).cast("int")
    local = F.timestamp_add("MINUTE", minutes, day.cast("timestamp"))
    return F.to_utc_timestamp(local, zone)
