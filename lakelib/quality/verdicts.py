"""Where each staged row goes."""

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakelib.contracts import Contract

__all__ = [
    "ACCEPTED",
    "DUPLICATE",
    "QUARANTINED",
    "SUPERSEDED",
    "disputed_keys",
    "with_row_verdicts",
    "with_verdicts_by_key",
]

ACCEPTED: Final = "accepted"
QUARANTINED: Final = "quarantined"
SUPERSEDED: Final = "superseded"
DUPLICATE: Final = "duplicate"


def with_row_verdicts(df: DataFrame) -> DataFrame:
    """`_verdict` instead of `_is_sound`, for a table without a key: a sound row is accepted, any other quarantined."""
    return df.withColumn("_verdict", F.when(F.col("_is_sound"), ACCEPTED).otherwise(QUARANTINED)).drop("_is_sound")


def with_verdicts_by_key(df: DataFrame, contract: Contract, *, ages: Sequence[str]) -> DataFrame:
    """`_verdict` instead of `_is_sound`, so that at most one row of each key is accepted; adds `_is_conflict`.

    Of the sound rows, the one with the greatest values of `ages`, the first column first, wins; older ones are
    superseded. Equal rows of one delivery are duplicates of the first. Unequal rows of one delivery (or, in a table
    that does not tell newer from older, of one batch) contradict each other: all of them are quarantined.
    """
    disputed = df.where("_is_sound").groupBy(*contract.key).count().where("count > 1").select(*contract.key)
    alone = df.join(disputed, list(contract.key), "left_anti").withColumn("_is_conflict", F.lit(False))
    together = df.join(disputed, list(contract.key), "left_semi")
    return alone.transform(with_row_verdicts).unionByName(
        together.transform(_with_verdicts_among_reports, contract, ages)
    )


def disputed_keys(df: DataFrame, contract: Contract) -> DataFrame:
    """The keys whose rows can't all be accepted: they have several sound rows, or one that is not sound."""
    is_sound = F.col("_is_sound")
    counted = df.groupBy(*contract.key).agg(F.count_if(is_sound).alias("sound"), F.count_if(~is_sound).alias("broken"))
    return counted.where("sound > 1 OR broken > 0").select(*contract.key)


def _with_verdicts_among_reports(df: DataFrame, contract: Contract, ages: Sequence[str]) -> DataFrame:
    """By a window, which takes many times as long as everything else: for the few keys that are there several times."""
    content = [name for name in contract.column_names if name not in contract.key]
    # Only sound rows have a fingerprint, so that broken ones contradict nobody.
    fingerprint = F.when(F.col("_is_sound"), F.xxhash64(F.lit(0), *content))
    newest_first = Window.partitionBy(*contract.key).orderBy(
        ~F.col("_is_good"), *(F.col(name).desc_nulls_last() for name in ages), "_fingerprint"
    )
    copy = F.xxhash64("_fingerprint", *ages)
    judged = (
        df.withColumn("_fingerprint", fingerprint)
        .transform(_with_conflicts, report=[*contract.key, *ages])
        .withColumn("_is_good", F.col("_is_sound") & ~F.col("_is_conflict"))
        .withColumn("_rank", F.row_number().over(newest_first))
        .withColumn("_is_copy", F.coalesce(F.lag(copy).over(newest_first) == copy, F.lit(False)))
    )
    verdict = (
        F.when(~F.col("_is_good"), QUARANTINED)
        .when(F.col("_rank") == 1, ACCEPTED)
        .when(F.col("_is_copy"), DUPLICATE)
        .otherwise(SUPERSEDED)
    )
    return judged.withColumn("_verdict", verdict).drop("_is_sound", "_fingerprint", "_is_good", "_rank", "_is_copy")


def _with_conflicts(df: DataFrame, *, report: Sequence[str]) -> DataFrame:
    """Adds `_is_conflict`: a row with a fingerprint has the columns `report` in common with one of another."""
    differs = F.min("_fingerprint") != F.max("_fingerprint")
    conflicts = df.groupBy(*report).agg(differs.alias("_differs")).where("_differs")
    renamed = conflicts.withColumnsRenamed({name: f"_of_{name}" for name in report})
    is_same = reduce(and_, (F.col(name).eqNullSafe(F.col(f"_of_{name}")) for name in report))
    is_conflict = F.col("_differs").isNotNull() & F.col("_fingerprint").isNotNull()
    joined = df.join(renamed, is_same, "left").withColumn("_is_conflict", is_conflict)
    return joined.select(*df.columns, "_is_conflict")
