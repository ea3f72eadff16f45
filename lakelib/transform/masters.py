"""Master data: one record a thing, made of what several sources say about it."""

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

__all__ = ["newest_by_key", "surviving_records"]

_FIRST, _LAST = Window.unboundedPreceding, Window.unboundedFollowing


def newest_by_key(df: DataFrame, *, key: Sequence[str], newest_by: Sequence[str]) -> DataFrame:
    """Of the rows of each key, the one with the greatest values of `newest_by`, the first column first; null is oldest.

    Where all of these are equal, it is the greatest by the columns in their order: the same one each time.
    """
    newest_first = [F.col(name).desc_nulls_last() for name in dict.fromkeys([*newest_by, *df.columns])]
    rank = F.row_number().over(Window.partitionBy(*key).orderBy(*newest_first))
    return df.withColumn("_rank", rank).where("_rank = 1").drop("_rank")


def surviving_records(sources: Mapping[str, DataFrame], *, key: Sequence[str]) -> DataFrame:
    """One row a key of any source; each value is that of the first source in the order of `sources` that has one.

    A source has each key at most once, and the columns that it knows. Out: the key, all columns of all sources, and
    `source`, the name of the first one that has the key.
    """
    ranked = [
        df.select(*df.columns, F.lit(rank).alias("_rank"), F.lit(name).alias("source"))
        for rank, (name, df) in enumerate(sources.items())
    ]
    told = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), ranked)
    in_order = Window.partitionBy(*key).orderBy("_rank").rowsBetween(_FIRST, _LAST)
    values = [name for name in told.columns if name not in (*key, "_rank")]
    filled = told.select(
        *key, *(F.first(name, ignorenulls=True).over(in_order).alias(name) for name in values), "_rank"
    ).withColumn("_is_first", F.row_number().over(Window.partitionBy(*key).orderBy("_rank")) == 1)
    return filled.where("_is_first").drop("_rank", "_is_first")
