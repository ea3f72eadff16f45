"""Rules that a row does not keep alone, told by a boolean column beside it: unique values, references.

Rows stand on the right of joins: an engine that does not know how many are on either side, holds those of the left.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakelib.contracts import Contract, Rule
from lakelib.engine.conditions import all_of, any_of
from lakelib.names import TableName
from lakelib.quality.verdicts import ACCEPTED, QUARANTINED

__all__ = ["FLAGGED", "broken_unique_rules", "with_reference_flags", "with_unique_flags"]

FLAGGED: Final = ("unique", "reference")


def with_reference_flags(df: DataFrame, contract: Contract, *, tables: Mapping[TableName, DataFrame]) -> DataFrame:
    """Adds a flag for each reference: the row names one of the rows of the table in `tables`, or nothing (null).

    A table that is not in `tables` has no rows.
    """
    for rule in contract.rules:
        if rule.check == "reference" and rule.flag not in df.columns:
            df = df.transform(_with_reference_flag, rule, tables.get(rule.argument.table))
    return df


def broken_unique_rules(judged: DataFrame, contract: Contract, *, beside: DataFrame | None) -> list[Rule]:
    """The rules `unique` that accepted rows of `judged` break, by one query."""
    rules = [rule for rule in contract.rules if rule.check == "unique"]
    if not rules:
        return []
    clashes = (
        _clashes(judged, rule, contract, beside).limit(1).select(F.lit(rule.flag).alias("flag")) for rule in rules
    )
    broken = {row["flag"] for row in reduce(DataFrame.union, clashes).collect()}
    return [rule for rule in rules if rule.flag in broken]


def with_unique_flags(
    judged: DataFrame, contract: Contract, *, rules: list[Rule], beside: DataFrame | None
) -> DataFrame:
    """Adds a flag for each of the rules: false for accepted rows of different keys with the same values.

    Which of them is right nobody knows: a rule of level error quarantines all of them. `beside` are the table's rows,
    which a row clashes with where their key is not among the accepted ones; they stay.
    """
    flagged = judged
    for rule in rules:
        if rule.flag not in flagged.columns:
            flagged = flagged.transform(_with_unique_flag, rule, _clashes(judged, rule, contract, beside))
        flagged = flagged.withColumns(_consequences(rule))
    return flagged


def _with_reference_flag(df: DataFrame, rule: Rule, table: DataFrame | None) -> DataFrame:
    pairs = rule.argument.columns
    names_nothing = any_of(F.col(own).isNull() for own, _ in pairs)
    if table is None:
        return df.withColumn(rule.flag, names_nothing)
    there = table.select(*(F.col(theirs).alias(f"_to_{theirs}") for _, theirs in pairs)).distinct()
    is_there = all_of(F.col(own) == F.col(f"_to_{theirs}") for own, theirs in pairs)
    found = there.withColumn("_is_there", F.lit(True)).join(df, is_there, "right")
    return found.select(*df.columns, (F.col("_is_there").isNotNull() | names_nothing).alias(rule.flag))


def _clashes(judged: DataFrame, rule: Rule, contract: Contract, beside: DataFrame | None) -> DataFrame:
    """The values that several keys have; of the rows of one key at most one is accepted."""
    names = [*contract.key, *(name for name in rule.argument if name not in contract.key)]
    rows = judged.where(F.col("_verdict") == ACCEPTED).select(*names)
    if beside is not None:
        rows = rows.unionByName(beside.select(*names).join(rows.select(*contract.key), contract.key, "left_anti"))
    has_all = all_of(F.col(name).isNotNull() for name in rule.argument)
    return rows.where(has_all).groupBy(*rule.argument).count().where("count > 1").select(*rule.argument)


def _with_unique_flag(judged: DataFrame, rule: Rule, clashes: DataFrame) -> DataFrame:
    renamed = clashes.withColumnsRenamed({name: f"_clashing_{name}" for name in rule.argument})
    is_same = all_of(F.col(name) == F.col(f"_clashing_{name}") for name in rule.argument)
    joined = renamed.join(judged, is_same, "right")
    clashes_itself = F.col(f"_clashing_{rule.argument[0]}").isNotNull() & (F.col("_verdict") == ACCEPTED)
    return joined.select(*judged.columns, (~clashes_itself).alias(rule.flag))


def _consequences(rule: Rule) -> dict[str, Column]:
    if rule.level == "warning":
        return {"_has_warnings": F.col("_has_warnings") | ~F.col(rule.flag)}
    return {"_verdict": F.when(F.col(rule.flag), F.col("_verdict")).otherwise(QUARANTINED)}
