"""A contract's row rules as columns beside the rows, computed in the same pass that writes them."""

import re
from collections.abc import Callable
from typing import Any, Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakelib.contracts import Contract, Rule
from lakelib.contracts.findings import finding, findings, shown

__all__ = ["with_findings"]


def with_findings(df: DataFrame, contract: Contract) -> DataFrame:
    """Adds `_errors` and `_warnings`, arrays of struct<rule, column, message>; empty where a row keeps every promise.

    Findings that are already in `_errors` (of `cast_to_contract`) stay, and a value that could not be read is not
    reported as missing as well.
    """
    if "_errors" not in df.columns:
        df = df.withColumn("_errors", findings([]))
    known = F.coalesce(F.col("_errors"), findings([]))
    df = df.withColumn("_errors", known)
    return df.withColumns(
        {
            "_errors": F.concat(known, findings([_broken(r) for r in contract.rules if r.level == "error"])),
            "_warnings": findings([_broken(rule) for rule in contract.rules if rule.level == "warning"]),
        }
    )


def _broken(rule: Rule) -> Column:
    kept, says = _CHECKS[rule.check](rule)
    column = [] if rule.column is None else [F.lit(f"{rule.column} = "), shown(F.col(rule.column)), F.lit(" ")]
    message = F.concat(*column, F.lit(says))
    return F.when(~F.coalesce(kept, F.lit(True)), finding(rule=rule.code, column=rule.column, message=message))


def _required(rule: Rule) -> tuple[Column, str]:
    unreadable = F.exists(F.col("_errors"), lambda each: each["column"] == F.lit(rule.column))
    return F.col(str(rule.column)).isNotNull() | unreadable, "is required"


def _pattern(rule: Rule) -> tuple[Column, str]:
    # A regular expression's `$` also stands before a last line feed in Java, and does not in Rust.
    at_end = re.sub(r"(?<!\\)\$$", r"\\z", rule.argument)
    return F.col(str(rule.column)).rlike(at_end), f"does not match {rule.argument}"


def _values(rule: Rule) -> tuple[Column, str]:
    return F.col(str(rule.column)).isin(list(rule.argument)), f"is none of {', '.join(map(str, rule.argument))}"


def _bound(kept: Callable[[Column, Any], Column], says: str) -> Callable[[Rule], tuple[Column, str]]:
    return lambda rule: (kept(F.col(str(rule.column)), rule.argument), f"{says} {rule.argument}")


def _condition(rule: Rule) -> tuple[Column, str]:
    return F.expr(rule.argument), f"breaks {rule.argument}"


_CHECKS: Final[dict[str, Callable[[Rule], tuple[Column, str]]]] = {
    "required": _required,
    "pattern": _pattern,
    "values": _values,
    "minimum": _bound(lambda value, least: value >= F.lit(least), "is less than"),
    "maximum": _bound(lambda value, most: value <= F.lit(most), "is more than"),
    "shortest": _bound(lambda value, least: F.length(value) >= F.lit(least), "is shorter than"),
    "longest": _bound(lambda value, most: F.length(value) <= F.lit(most), "is longer than"),
    "condition": _condition,
}
