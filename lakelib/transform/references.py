"""Columns looked up in reference tables, and rows that were looked up before a reference changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakelib.engine.conditions import all_of, any_of

__all__ = ["Reference", "changed_references", "unmatched", "with_references"]


@dataclass(frozen=True)
class Reference:
    """Where columns are looked up: `rows`, by the columns that `on` pairs, ours with theirs.

    `take` pairs their columns with the names in the result: `on={"origin": "faa"}, take={"tz": "origin_tz"}`. A row
    without a match keeps its place and gets `default`.

    Without `as_of` the reference holds each key at most once. With it, `rows` are versions, each of which began at its
    column `begins`; the one is taken that was the last to begin by our column `as_of`, and before the first one began,
    that one. So a fact always finds its member, whether it was late to arrive or has left since.
    """

    rows: DataFrame
    on: Mapping[str, str]
    take: Mapping[str, str]
    default: Any = None
    as_of: str | None = None
    begins: str = "_valid_from"


def with_references(df: DataFrame, *references: Reference) -> DataFrame:
    """Adds what each reference is asked for, or gives columns of these names their values of today."""
    return reduce(_with_reference, references, df)


def changed_references(df: DataFrame, *references: Reference) -> DataFrame:
    """The rows of `df` whose looked-up columns are not what `with_references` would give them today.

    They were loaded before their reference row arrived, changed or went. The columns keep their old values.
    """
    fresh = [
        replace(each, take={theirs: f"_fresh_{ours}" for theirs, ours in each.take.items()}) for each in references
    ]
    names = [name for each in references for name in each.take.values()]
    is_changed = (~F.col(name).eqNullSafe(F.col(f"_fresh_{name}")) for name in names)
    return df.transform(with_references, *fresh).where(any_of(is_changed)).select(*df.columns)


def unmatched(df: DataFrame, reference: Reference) -> DataFrame:
    """The keys of `df` that the reference lacks, for stewards: a row each, with the number of `rows` of `df`."""
    keys = df.where(all_of(F.col(ours).isNotNull() for ours in reference.on))
    counted = keys.groupBy(*reference.on).agg(F.count("*").alias("rows"))
    known = reference.rows.select(*(F.col(theirs).alias(ours) for ours, theirs in reference.on.items()))
    return counted.join(known, list(reference.on), "left_anti")


def _with_reference(df: DataFrame, reference: Reference) -> DataFrame:
    """Broadcast: a reference is small beside what looks things up in it."""
    looked_up = reference.rows.select(
        *(F.col(theirs).alias(f"_on_{ours}") for ours, theirs in reference.on.items()),
        *(F.col(theirs).alias(f"_take_{ours}") for theirs, ours in reference.take.items()),
        *_span(reference),
    )
    names = list(reference.take.values())
    kept = [name for name in df.columns if name not in names]
    taken = (F.coalesce(F.col(f"_take_{name}"), F.lit(reference.default)).alias(name) for name in names)
    return df.join(F.broadcast(looked_up), all_of(_matches(reference)), "left").select(*kept, *taken)


def _matches(reference: Reference) -> Iterator[Column]:
    yield from (F.col(ours) == F.col(f"_on_{ours}") for ours in reference.on)
    if reference.as_of is not None:
        at = F.col(reference.as_of)
        yield at.isNotNull()
        yield F.col("_since").isNull() | (at >= F.col("_since"))
        yield F.col("_until").isNull() | (at < F.col("_until"))


def _span(reference: Reference) -> Iterator[Column]:
    """From when to when a version is taken: the first from ever, each until the next began, the last for ever."""
    if reference.as_of is not None:
        of_key = Window.partitionBy(*reference.on.values()).orderBy(reference.begins)
        is_first = F.lag(reference.begins).over(of_key).isNull()
        yield F.when(~is_first, F.col(reference.begins)).alias("_since")
        yield F.lead(reference.begins).over(of_key).alias("_until")
