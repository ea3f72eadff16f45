"""Dates from their parts, and calendars."""

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = ["calendar_years", "with_date_text", "with_day_first_dates", "with_month_first_dates"]

_SEPARATED: Final = r"^\s*([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})(\s.*)?$"


def with_date_text(df: DataFrame, name: str, *, year: str, month: str, day: str) -> DataFrame:
    """Adds the text YYYY-MM-DD made of three text columns, so that casting it to a date can say what is wrong."""
    return df.withColumn(name, _iso(F.trim(year), F.trim(month), F.trim(day)))


def with_month_first_dates(df: DataFrame, *names: str) -> DataFrame:
    """Texts such as 3/14/2020 (or with `.` or `-`) become 2020-03-14, so that casting reads them; all others stay.

    A time after the date is kept.
    """
    return _with_iso_dates(df, names, month=1, day=2)


def with_day_first_dates(df: DataFrame, *names: str) -> DataFrame:
    """Texts such as 14.3.2020 (or with `/` or `-`) become 2020-03-14, as `with_month_first_dates`."""
    return _with_iso_dates(df, names, month=2, day=1)


def calendar_years(df: DataFrame, *, of: str) -> DataFrame:
    """One row a day, column `date`, for every day of the years that occur in the date column `of`."""
    years = df.select(F.year(of).alias("year")).where(F.col("year").isNotNull()).distinct()
    first, last = (F.concat(F.col("year").cast("string"), F.lit(end)).cast("date") for end in ("-01-01", "-12-31"))
    return years.select(F.explode(F.sequence(first, last, F.expr("interval 1 day"))).alias("date"))


def _with_iso_dates(df: DataFrame, names: Sequence[str], *, month: int, day: int) -> DataFrame:
    return df.withColumns({name: _rewritten(F.col(name), month=month, day=day) for name in names})


def _rewritten(text: Column, *, month: int, day: int) -> Column:
    year, month_of, day_of, time = (F.regexp_extract(text, _SEPARATED, part) for part in (3, month, day, 4))
    return F.when(text.rlike(_SEPARATED), F.concat(_iso(year, month_of, day_of), time)).otherwise(text)


def _iso(year: Column, month: Column, day: Column) -> Column:
    return F.concat_ws("-", _padded(year, 4), _padded(month, 2), _padded(day, 2))


def _padded(digits: Column, width: int) -> Column:
    """With zeros before; `lpad` alone would cut off what is longer."""
    return F.when(F.length(digits) < width, F.lpad(digits, width, "0")).otherwise(digits)
