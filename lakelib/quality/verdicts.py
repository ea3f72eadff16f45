"""Where each staged row goes."""

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakelib.contracts import Contract
from lakelib.contracts.findings import finding, findings

__all__ = ["ACCEPTED", "DUPLICATE", "QUARANTINED", "SUPERSEDED", "with_row_verdicts", "with_verdicts_by_key"]

ACCEPTED: Final = "accepted"
QUARANTINED: Final = "quarantined"
SUPERSEDED: Final = "superseded"
DUPLICATE: Final = "duplicate"


def with_row_verdicts(df: DataFrame) -> DataFrame:
    """Adds `_verdict` for a table without a key: a row with an error is quarantined, every other one is accepted."""
    return df.withColumn("_verdict", F.when(_is_broken(), QUARANTINED).otherwise(ACCEPTED))


def with_verdicts_by_key(df: DataFrame, contract: Contract) -> DataFrame:
    """Adds `_verdict` so that at most one row of each key is accepted.

    Of the rows without errors, the one with the greatest `newest_by` values wins, then the one ingested last; older
    ones are superseded. Equal rows of one delivery are duplicates of the first. Unequal rows of one delivery (or, in a
    table that does not tell newer from older, of one batch) contradict each other: all of them get the error
    `duplicate_conflict` and are quarantined.
    """
    ages = [name for name in (*contract.newest_by, "_ingested_at") if name in df.columns]
    content = [name for name in contract.column_names if name not in contract.key]
    # Only rows without errors have a fingerprint, so that broken ones contradict nobody.
    fingerprint = F.when(~_is_broken(), F.xxhash64(F.lit(0), *content))
    one_report = Window.partitionBy(*contract.key, *ages)
    same_key = Window.partitionBy(*contract.key).orderBy(
        ~F.col("_is_good"), *(F.col(name).desc_nulls_last() for name in ages), "_copy"
    )
    is_conflict = F.min("_fingerprint").over(one_report) != F.max("_fingerprint").over(one_report)
    judged = (
        df.withColumn("_fingerprint", fingerprint)
        .withColumn("_copy", F.row_number().over(one_report.orderBy(F.col("_fingerprint").asc_nulls_last())))
        .withColumn("_is_conflict", F.coalesce(is_conflict, F.lit(False)) & F.col("_fingerprint").isNotNull())
        .withColumn("_is_good", F.col("_fingerprint").isNotNull() & ~F.col("_is_conflict"))
        .withColumn("_rank", F.row_number().over(same_key))
    )
    contradiction = findings([F.when(F.col("_is_conflict"), _contradiction(contract))])
    return judged.withColumns(
        {
            "_errors": F.concat("_errors", contradiction),
            "_verdict": F.when(~F.col("_is_good"), QUARANTINED)
            .when(F.col("_rank") == 1, ACCEPTED)
            .when(F.col("_copy") > 1, DUPLICATE)
            .otherwise(SUPERSEDED),
        }
    ).drop("_fingerprint", "_copy", "_is_conflict", "_is_good", "_rank")


def _is_broken() -> Column:
    return F.size("_errors") > 0


def _contradiction(contract: Contract) -> Column:
    message = f"another row of the same delivery has the same {', '.join(contract.key)} and other values"
    return finding(rule="duplicate_conflict", column=None, message=F.lit(message))
