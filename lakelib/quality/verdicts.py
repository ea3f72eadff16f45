"""Where each staged row goes.

Rows stand on the right of joins: an engine that does not know how many are on either side, holds those of the left.
"""

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakelib.contracts import Column as ContractColumn
from lakelib.contracts import Contract
from lakelib.engine.conditions import all_of
from lakelib.engine.hashing import xxhash64
from lakelib.engine.staged_files import FLOATING

__all__ = [
    "ACCEPTED",
    "DISPUTED",
    "DUPLICATE",
    "QUARANTINED",
    "SUPERSEDED",
    "unsettled_keys",
    "with_row_verdicts",
    "with_undisputed_verdicts",
    "with_verdicts_by_key",
]

ACCEPTED: Final = "accepted"
QUARANTINED: Final = "quarantined"
SUPERSEDED: Final = "superseded"
DUPLICATE: Final = "duplicate"
DISPUTED: Final = "disputed"  # until its key's rows are judged together

_BUCKETS: Final = 64


def with_row_verdicts(df: DataFrame) -> DataFrame:
    """Adds `_verdict`, where no keys are disputed: a row of `_is_sound` is accepted, any other quarantined."""
    return df.withColumn("_verdict", _row_verdict())


def unsettled_keys(df: DataFrame, contract: Contract) -> DataFrame:
    """The keys whose rows can't all be accepted: those of several `_rows`, and of `_broken` ones, if that is known."""
    is_broken = ~F.col("_is_sound") if "_is_sound" in df.columns else F.lit(False)
    counts = df.groupBy(*contract.key).agg(F.count(F.lit(1)).alias("_rows"), F.count_if(is_broken).alias("_broken"))
    return counts.where("_rows > 1 OR _broken > 0")


def with_undisputed_verdicts(df: DataFrame, contract: Contract, *, unsettled: DataFrame | None) -> DataFrame:
    """Adds `_verdict` as `with_row_verdicts` does, but to rows of a key with several ones: they are `disputed`.

    Adds `_is_conflict` too, so that all have the same columns in the end. `unsettled` are the rows' `unsettled_keys`,
    None where there is none.
    """
    flagged, verdict = df, _row_verdict()
    if unsettled is not None:
        several = unsettled.where("_rows > 1").select(*contract.key, F.lit(True).alias("_is_disputed"))
        flagged = several.join(df, list(contract.key), "right")
        verdict = F.when(F.col("_is_disputed"), DISPUTED).otherwise(verdict)
    return flagged.select(*df.columns, F.lit(False).alias("_is_conflict"), verdict.alias("_verdict"))


def with_verdicts_by_key(df: DataFrame, contract: Contract, *, ages: Sequence[str]) -> DataFrame:
    """Adds `_verdict` so that at most one row of each key is accepted, and tells `_is_conflict`.

    Of the rows of `_is_sound`, the one with the greatest values of `ages`, the first column first, wins; older ones are
    superseded. Equal rows of one delivery are duplicates of the first. Unequal rows of one delivery (or, in a table
    that does not tell newer from older, of one batch) contradict each other: all of them are quarantined.

    By a window, which takes many times as long as everything else: for the few keys that are there several times.
    """
    content = [column for column in contract.columns if not column.key]
    keys = [_ordered(column) for column in contract.columns if column.key]
    # A null adds nothing to a hash, so it is told where nulls are.
    nulls = [F.col(column.name).isNull() for column in content if not column.is_required]
    # Only sound rows have a fingerprint, so that broken ones contradict nobody.
    fingerprint = F.when(F.col("_is_sound"), xxhash64(F.lit(0), *(column.name for column in content), *nulls))
    judged = (
        df.withColumn("_fingerprint", fingerprint)
        .transform(_with_conflicts, report=[*contract.key, *ages])
        .withColumn("_is_good", F.col("_is_sound") & ~F.col("_is_conflict"))
        .withColumns({"_copy": xxhash64("_fingerprint", *ages), "_bucket": F.pmod(xxhash64(*keys), _BUCKETS)})
    )
    # A window a key costs many times as much, as engines look at each apart: here one looks at many keys in turn. Sail
    # orders by any type, but not first.
    newest_first = Window.partitionBy("_bucket").orderBy(
        "_bucket", *keys, ~F.col("_is_good"), *(F.col(name).desc_nulls_last() for name in ages), "_fingerprint"
    )
    before = {f"_before_{name}": F.lag(name).over(newest_first) for name in (*contract.key, "_copy")}
    is_first = ~all_of(F.col(name).eqNullSafe(F.col(f"_before_{name}")) for name in contract.key)
    verdict = (
        F.when(~F.col("_is_good"), QUARANTINED)
        .when(is_first, ACCEPTED)
        .when(F.col("_before__copy") == F.col("_copy"), DUPLICATE)
        .otherwise(SUPERSEDED)
    )
    told = judged.withColumns(before).withColumn("_verdict", verdict)
    return told.drop("_fingerprint", "_is_good", "_copy", "_bucket", *before)


def _ordered(column: ContractColumn) -> Column:
    """As it is compared: -0.0 equals 0.0, and Sail puts it before."""
    value = F.col(column.name)
    return F.when(value == 0, F.lit(0).cast(column.type)).otherwise(value) if column.type in FLOATING else value


def _row_verdict() -> Column:
    return F.when(F.col("_is_sound"), ACCEPTED).otherwise(QUARANTINED)


def _with_conflicts(df: DataFrame, *, report: Sequence[str]) -> DataFrame:
    """Adds `_is_conflict`: a row with a fingerprint has the columns `report` in common with one of another."""
    differs = F.min("_fingerprint") != F.max("_fingerprint")
    conflicts = df.groupBy(*report).agg(differs.alias("_differs")).where("_differs")
    renamed = conflicts.withColumnsRenamed({name: f"_of_{name}" for name in report})
    is_same = all_of(F.col(name).eqNullSafe(F.col(f"_of_{name}")) for name in report)
    is_conflict = F.col("_differs").isNotNull() & F.col("_fingerprint").isNotNull()
    joined = renamed.join(df.drop("_is_conflict"), is_same, "right").withColumn("_is_conflict", is_conflict)
    return joined.drop("_differs", *renamed.columns)
