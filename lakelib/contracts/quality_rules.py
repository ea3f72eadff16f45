"""Quality rules of a contract file that are about rows: ODCS's metrics, and conditions in SQL."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from open_data_contract_standard.model import DataQuality

from lakelib.contracts.model import Level, Rule
from lakelib.contracts.place import Place
from lakelib.contracts.set_rules import unique_rule
from lakelib.contracts.thresholds import comparison, comparisons

__all__ = ["checked_pattern", "quality_rules", "values_but_null"]


def quality_rules(given: Sequence[DataQuality] | None, place: Place, *, column: str | None) -> Iterator[Rule]:
    """The rules about rows in a `quality` list: `rowCount` and `type: sql` are about a batch, and left out.

    Raises:
        ContractError: a rule that lakelib can't check.
    """
    for quality in given or ():
        if quality.metric == "rowCount" or quality.type == "sql":
            continue
        at = place.at(f"quality.{quality.name or quality.metric or quality.rule or quality.type}")
        for rule in _rules(quality, at, column=column):
            yield _limited(rule, quality, at)


def checked_pattern(pattern: str, place: Place) -> str:
    """RE2, which Arrow brings, takes what both engines take: Rust's syntax on embedded, Java's on spark."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.nulls(1, pa.string()), pattern)  # a scalar would import pandas
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        raise place.error(
            f"is {pattern!r}, no regular expression that both engines understand: {reason}",
            hint="Look-around and back-references are none. A rule of type custom can hold such a condition in SQL.",
        ) from error
    return pattern


def values_but_null(values: Sequence[Any]) -> tuple[Any, ...]:
    """A null keeps every rule but `required`; in SQL, a list with a null in it holds any value, or may."""
    return tuple(value for value in values if value is not None)


def _rules(quality: DataQuality, place: Place, *, column: str | None) -> Iterator[Rule]:
    level: Level = "warning" if quality.severity == "warning" else "error"
    if quality.type == "custom" and quality.engine == "lakelib" and isinstance(quality.implementation, str):
        yield Rule(quality.name or "condition", "condition", quality.implementation, column, level)
        return
    arguments = quality.arguments or {}
    match quality.metric, column, sorted(arguments):
        case "invalidValues", str(), ["pattern"] | ["validValues"] | ["pattern", "validValues"]:
            yield from _invalid_values(quality, place, column=column, level=level)
        case "nullValues" | "missingValues", str(), []:
            yield Rule(quality.name or "required", "required", None, column, level)
        case "missingValues", str(), ["missingValues"] if isinstance(arguments["missingValues"], list):
            yield Rule(quality.name or "missing", "present", values_but_null(arguments["missingValues"]), column, level)
        case "duplicateValues", str(), []:
            yield unique_rule([column], code=quality.name, level=level)
        case "duplicateValues", None, ["properties"] if isinstance(arguments["properties"], list):
            yield unique_rule(arguments["properties"], code=quality.name, level=level)
        case _:
            raise place.error(
                "is not a rule lakelib can check",
                hint="Of a column: invalidValues with validValues (a list) or pattern, nullValues, missingValues, "
                "duplicateValues. Of the table: rowCount, duplicateValues with properties (a list). Of both: a "
                "condition, with type: custom and engine: lakelib, and type: sql.",
            )


def _invalid_values(quality: DataQuality, place: Place, *, column: str, level: Level) -> Iterator[Rule]:
    arguments: dict[str, Any] = quality.arguments or {}
    if "validValues" in arguments:
        if not isinstance(arguments["validValues"], list):
            raise place.at("arguments.validValues").error(f"is {arguments['validValues']!r}, no list")
        allowed = values_but_null(arguments["validValues"])
        yield Rule(quality.name or "not_allowed", "values", allowed, column, level)
    if "pattern" in arguments:
        pattern = checked_pattern(str(arguments["pattern"]), place.at("arguments.pattern"))
        yield Rule(quality.name or f"{column}_format", "pattern", pattern, column, level)


def _limited(rule: Rule, quality: DataQuality, place: Place) -> Rule:
    """Without a comparison, and with mustBe: 0, a row that breaks the rule is rejected; otherwise rows are counted."""
    if comparisons(quality) in ({}, {"mustBe": 0}):
        return rule
    if rule.level == "warning":
        raise place.error(
            f"says {', '.join(comparisons(quality))} with severity: warning",
            hint="A number of rows that is not kept stops the batch; leave the severity or the number out.",
        )
    return replace(rule, level="warning", limit=comparison(quality, place))
