"""A contract's row rules: a verdict on every row in the pass that writes them, and the reasons for a few."""

import re
from collections.abc import Callable
from typing import Any, Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakelib.contracts import Contract, Rule
from lakelib.contracts.findings import Candidate, findings
from lakelib.engine.conditions import all_of
from lakelib.quality.flags import FLAGGED

__all__ = ["with_findings", "with_soundness"]

# What they are in Java; in Rust they hold the digits, letters and blanks of all languages.
_CLASSES: Final = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "s": r"[ \t\n\x0B\f\r]",
    "S": r"[^ \t\n\x0B\f\r]",
    "w": "[0-9A-Za-z_]",
    "W": "[^0-9A-Za-z_]",
}


def with_soundness(df: DataFrame, contract: Contract) -> DataFrame:
    """Adds `_is_sound` (the row keeps every promise and could be read) and `_has_warnings`.

    Two booleans for every row; the reasons, which cost many times as much, are what `with_findings` says of a few.
    """
    rules = _checkable(df, contract)
    promises = [_is_readable(df), *(_check(rule) for rule in rules if rule.level == "error")]
    remarks = (_kept(rule, df) for rule in rules if rule.level == "warning")
    return df.withColumns({"_is_sound": _holds(all_of(promises)), "_has_warnings": ~_holds(all_of(remarks))})


def with_findings(df: DataFrame, contract: Contract) -> DataFrame:
    """Adds `_errors` and `_warnings`, arrays of struct<rule, column, message>; empty where a row keeps every promise.

    Findings that are already in `_errors` (of `cast_to_contract`) stay, and a value that could not be read, itself or
    with its record, is not reported as missing as well. A row of `_is_conflict` contradicts another one.
    """
    rules = _checkable(df, contract)
    df = df.transform(_with_known_errors)
    errors = [_broken(rule, df) for rule in rules if rule.level == "error"]
    if "_is_conflict" in df.columns:
        errors.append(_contradiction(contract))
    return df.withColumns(
        {
            "_errors": F.concat("_errors", findings(errors)),
            "_warnings": findings([_broken(rule, df) for rule in rules if rule.level == "warning"]),
        }
    )


def _with_known_errors(df: DataFrame) -> DataFrame:
    known = F.coalesce(F.col("_errors"), findings([])) if "_errors" in df.columns else findings([])
    return df.withColumn("_errors", known)


def _checkable(df: DataFrame, contract: Contract) -> list[Rule]:
    """All but the rules over several rows whose flag is not there: no row breaks them."""
    return [rule for rule in contract.rules if rule.check not in FLAGGED or rule.flag in df.columns]


def _is_readable(df: DataFrame) -> Column:
    return F.coalesce(F.size("_errors"), F.lit(0)) <= 0 if "_errors" in df.columns else F.lit(True)


def _broken(rule: Rule, df: DataFrame) -> Candidate:
    return Candidate(rule.code, _CHECKS[rule.check](rule)[1], is_found=~_holds(_kept(rule, df)), column=rule.column)


def _kept(rule: Rule, df: DataFrame) -> Column:
    """The check, but a value that could not be read is not missing as well."""
    if rule.check != "required" or "_errors" not in df.columns:
        return _check(rule)
    # An error of no column is one of the whole record.
    is_unreadable = F.exists("_errors", lambda each: each["column"].isNull() | (each["column"] == rule.column))
    return _check(rule) | F.coalesce(is_unreadable, F.lit(False))


def _check(rule: Rule) -> Column:
    return _CHECKS[rule.check](rule)[0]


def _holds(check: Column) -> Column:
    """Null does; so of several checks in a conjunction none is broken by what the others do not know."""
    return F.coalesce(check, F.lit(True))


def _contradiction(contract: Contract) -> Candidate:
    says = f"another row of the same delivery has the same {', '.join(contract.key)} and other values"
    return Candidate("duplicate_conflict", says, is_found=F.col("_is_conflict"))


def _required(rule: Rule) -> tuple[Column, str]:
    return F.col(str(rule.column)).isNotNull(), "is required"


def _pattern(rule: Rule) -> tuple[Column, str]:
    # A regular expression's `$` also stands before a last line feed in Java, and does not in Rust.
    at_end = re.sub(r"(?<!\\)\$$", r"\\z", rule.argument)
    portable = re.sub(r"\\(.)", lambda escape: _CLASSES.get(escape[1], escape[0]), at_end, flags=re.DOTALL)
    return F.col(str(rule.column)).rlike(portable), f"does not match {rule.argument}"


def _present(rule: Rule) -> tuple[Column, str]:
    return ~F.col(str(rule.column)).isin(list(rule.argument)), "stands for a missing value"


def _values(rule: Rule) -> tuple[Column, str]:
    return F.col(str(rule.column)).isin(list(rule.argument)), f"is none of {', '.join(map(str, rule.argument))}"


def _bound(kept: Callable[[Column, Any], Column], says: str) -> Callable[[Rule], tuple[Column, str]]:
    return lambda rule: (kept(F.col(str(rule.column)), rule.argument), f"{says} {rule.argument}")


def _condition(rule: Rule) -> tuple[Column, str]:
    return F.expr(rule.argument), f"breaks {rule.argument}"


def _unique(rule: Rule) -> tuple[Column, str]:
    return F.col(rule.flag), f"has the same {', '.join(rule.argument)} as another row"


def _reference(rule: Rule) -> tuple[Column, str]:
    own, theirs = zip(*rule.argument.columns, strict=True)
    return F.col(rule.flag), f"has a {', '.join(own)} that is no {', '.join(theirs)} of {rule.argument.table}"


_CHECKS: Final[dict[str, Callable[[Rule], tuple[Column, str]]]] = {
    "required": _required,
    "present": _present,
    "pattern": _pattern,
    "values": _values,
    "minimum": _bound(lambda value, least: value >= F.lit(least), "is less than"),
    "maximum": _bound(lambda value, most: value <= F.lit(most), "is more than"),
    "shortest": _bound(lambda value, least: F.length(value) >= F.lit(least), "is shorter than"),
    "longest": _bound(lambda value, most: F.length(value) <= F.lit(most), "is longer than"),
    "condition": _condition,
    "unique": _unique,
    "reference": _reference,
}
