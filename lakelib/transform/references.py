"""Columns looked up in a small reference table, and rows that were looked up before the reference changed."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = ["changed_reference", "with_reference"]


def with_reference(
    df: DataFrame, reference: DataFrame, *, on: Mapping[str, str], take: Mapping[str, str], default: Any = None
) -> DataFrame:
    """Adds columns of `reference`, or gives them new values where `df` has them.

    `on` pairs columns of `df` with the reference's key, `take` the reference's columns with their names in the result:
    `on={"origin": "faa"}, take={"tz": "origin_tz"}`. The reference holds each key at most once. A row without a match
    keeps its place and gets `default`.
    """
    looked_up = reference.select(
        *(F.col(theirs).alias(f"_on_{ours}") for ours, theirs in on.items()),
        *(F.col(theirs).alias(f"_take_{ours}") for theirs, ours in take.items()),
    )
    matches = _all([F.col(ours) == F.col(f"_on_{ours}") for ours in on])
    kept = [name for name in df.columns if name not in take.values()]
    taken = (F.coalesce(F.col(f"_take_{name}"), F.lit(default)).alias(name) for name in take.values())
    return df.join(F.broadcast(looked_up), matches, "left").select(*kept, *taken)


def changed_reference(
    df: DataFrame, reference: DataFrame, *, on: Mapping[str, str], take: Mapping[str, str], default: Any = None
) -> DataFrame:
    """The rows of `df` whose looked-up columns are not what `with_reference` would give them today.

    They were loaded before their reference row arrived, changed or went. The columns keep their old values.
    """
    fresh = {name: f"_fresh_{name}" for name in take.values()}
    looked_up = with_reference(
        df, reference, on=on, take={theirs: fresh[ours] for theirs, ours in take.items()}, default=default
    )
    is_same = _all([F.col(name).eqNullSafe(F.col(fresh[name])) for name in take.values()])
    return looked_up.where(~is_same).select(*df.columns)


def _all(conditions: list[Column]) -> Column:
    return reduce(lambda left, right: left & right, conditions)
