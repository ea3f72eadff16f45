"""Surrogate keys that depend on nothing but the natural key."""

from collections.abc import Sequence
from typing import Any, Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakelib.engine.hashing import xxhash64

__all__ = ["UNKNOWN_SK", "with_surrogate_key", "with_unknown_member"]

UNKNOWN_SK: Final = -1
_BITS: Final = (1 << 53) - 1


def with_surrogate_key(df: DataFrame, name: str, *, of: Sequence[str]) -> DataFrame:
    """Adds `name`, a bigint in 0..2^53-1: the low 53 bits of xxHash64 over the columns `of`.

    The same natural key has the same surrogate key in every rebuild and on every engine, and it survives JSON and
    doubles. Two natural keys can meet in one number (a million members: a chance of 1 in 18,000); in a table with this
    key they then contradict each other and are quarantined. So do two that differ in which of their columns is null;
    a null as a part of a key is best replaced before. UNKNOWN_SK is outside the range.
    """
    return df.withColumn(name, xxhash64(*of).bitwiseAND(F.lit(_BITS)))


def with_unknown_member(df: DataFrame, **values: Any) -> DataFrame:
    """Adds one row to a dimension: `values` by column name, null in every other column."""
    member = df.sparkSession.range(1).select(
        *(F.lit(values.get(field.name)).cast(field.dataType).alias(field.name) for field in df.schema)
    )
    return df.unionByName(member)
