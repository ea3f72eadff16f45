"""Verbs over rows that came in deliveries."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

__all__ = ["in_groups_of", "newest_delivery", "newest_delivery_of_each_day"]


def newest_delivery(df: DataFrame) -> DataFrame:
    """The rows of the newest delivery: the latest `_delivered_on`, of several on that day the one ingested last."""
    age = F.struct(F.coalesce("_delivered_on", F.lit("0001-01-01").cast("date")), "_ingested_at")
    newest = df.select(F.max(age).alias("_newest"))
    return df.join(F.broadcast(newest), age == F.col("_newest")).drop("_newest")


def newest_delivery_of_each_day(df: DataFrame) -> DataFrame:
    """Of the deliveries of each `_delivered_on` the one ingested last, whole; rows without a day are left out."""
    newest = df.groupBy("_delivered_on").agg(F.max("_ingested_at").alias("_ingested_at"))
    return df.join(F.broadcast(newest), ["_delivered_on", "_ingested_at"], "left_semi")


def in_groups_of(df: DataFrame, touched: DataFrame, *, by: Sequence[str]) -> DataFrame:
    """All rows of `df` that belong to a group, by the columns `by`, in which `touched` has a row.

    What an aggregate must compute again when the rows `touched` changed, and nothing else.
    """
    return df.join(F.broadcast(touched.select(*by).distinct()), list(by), "left_semi")
