"""Dates from their parts, and calendars."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

__all__ = ["calendar_years", "with_date_text"]


def with_date_text(df: DataFrame, name: str, *, year: str, month: str, day: str) -> DataFrame:
    """Adds the text YYYY-MM-DD made of three text columns, so that casting it to a date can say what is wrong."""
    parts = (F.lpad(F.trim(year), 4, "0"), F.lpad(F.trim(month), 2, "0"), F.lpad(F.trim(day), 2, "0"))
    return df.withColumn(name, F.concat_ws("-", *parts))


def calendar_years(df: DataFrame, *, of: str) -> DataFrame:
    """One row a day, column `date`, for every day of the years that occur in the date column `of`."""
    years = df.select(F.year(of).alias("year")).where(F.col("year").isNotNull()).distinct()
    first, last = (F.concat(F.col("year").cast("string"), F.lit(end)).cast("date") for end in ("-01-01", "-12-31"))
    return years.select(F.explode(F.sequence(first, last, F.expr("interval 1 day"))).alias("date"))
