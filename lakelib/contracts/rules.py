"""The rules of a contract file: what each row promises, and how many rows a batch may have."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from open_data_contract_standard.model import DataQuality, SchemaObject, SchemaProperty

from lakelib.contracts.model import Level, Rule
from lakelib.contracts.place import Place

__all__ = ["row_count", "row_rules"]

RowCount = tuple[int | None, int | None]

_NUMBER: Final = (int, float)
_OPTIONS: Final[dict[str, tuple[type, ...]]] = {
    "minimum": (object,),
    "maximum": (object,),
    "exclusiveMinimum": _NUMBER,
    "exclusiveMaximum": _NUMBER,
    "minLength": (int,),
    "maxLength": (int,),
    "pattern": (str,),
}
_ROW_COUNTS: Final[dict[str, Callable[[int], RowCount]]] = {
    "mustBe": lambda rows: (rows, rows),
    "mustBeGreaterThan": lambda rows: (rows + 1, None),
    "mustBeGreaterOrEqualTo": lambda rows: (rows, None),
    "mustBeLessThan": lambda rows: (None, rows - 1),
    "mustBeLessOrEqualTo": lambda rows: (None, rows),
}


def row_rules(table: SchemaObject, place: Place) -> Iterator[Rule]:
    """The rules of the table's columns in their order, then those of the table.

    Raises:
        ContractError: a rule that lakelib can't check.
    """
    for column in table.properties or ():
        column_place = place.at(f"properties.{column.name}")
        yield from _column_rules(column, column_place)
        for quality in column.quality or ():
            yield _quality_rule(quality, column_place, column=column.name)
    for quality in table.quality or ():
        if quality.metric != "rowCount":
            yield _quality_rule(quality, place, column=None)


def row_count(table: SchemaObject, place: Place) -> RowCount:
    """The fewest and the most rows a batch may have, by all rules of the metric `rowCount` together."""
    bounds = [
        bound
        for quality in table.quality or ()
        if quality.metric == "rowCount"
        for bound in _row_counts(quality, place.at(f"quality.{quality.name or 'rowCount'}"))
    ]
    fewest = max((low for low, _ in bounds if low is not None), default=None)
    most = min((high for _, high in bounds if high is not None), default=None)
    if fewest is not None and most is not None and fewest > most:
        raise place.at("quality.rowCount").error(f"asks for {fewest} rows at least and {most} at most")
    return fewest, most


def _row_counts(quality: DataQuality, place: Place) -> Iterator[RowCount]:
    comparisons = _comparisons(quality)
    if not comparisons:
        raise place.error("compares with nothing", hint=f"Give mustBeBetween or {', '.join(_ROW_COUNTS)}.")
    for name, value in place.known(comparisons, (*_ROW_COUNTS, "mustBeBetween")):
        numbers = value if isinstance(value, list) else [value]
        if not all(isinstance(number, int) for number in numbers):
            raise place.at(name).error(f"is {value!r}; rows are counted in whole numbers")
        yield (numbers[0], numbers[1]) if name == "mustBeBetween" else _ROW_COUNTS[name](value)


def _comparisons(quality: DataQuality) -> dict[str, Any]:
    return {name: value for name, value in quality if name.startswith("must") and value is not None}


def _column_rules(column: SchemaProperty, place: Place) -> Iterator[Rule]:
    options_place = place.at("logicalTypeOptions")
    name, options = column.name, _options(column, options_place)
    if column.required or column.primaryKey:
        yield Rule("required", "required", None, name)
    yield from _text_rules(name, options, options_place)
    yield from _bound_rules(name, options)
    if column.enum:
        yield Rule("not_allowed", "values", tuple(each.value for each in column.enum), name)


def _text_rules(name: str | None, options: dict[str, Any], place: Place) -> Iterator[Rule]:
    if "maxLength" in options:
        yield Rule("value_too_long", "longest", options["maxLength"], name)
    if "minLength" in options:
        yield Rule("value_too_short", "shortest", options["minLength"], name)
    if "pattern" in options:
        pattern = _checked_pattern(options["pattern"], place.at("pattern"))
        yield Rule(f"{name}_format", "pattern", pattern, name)


def _checked_pattern(pattern: str, place: Place) -> str:
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


def _bound_rules(name: str | None, options: dict[str, Any]) -> Iterator[Rule]:
    if "minimum" in options:
        yield Rule("below_minimum", "minimum", options["minimum"], name)
    if "maximum" in options:
        yield Rule("above_maximum", "maximum", options["maximum"], name)
    if "exclusiveMinimum" in options:
        yield Rule("below_minimum", "condition", f"`{name}` > {options['exclusiveMinimum']}", name)
    if "exclusiveMaximum" in options:
        yield Rule("above_maximum", "condition", f"`{name}` < {options['exclusiveMaximum']}", name)


def _options(column: SchemaProperty, place: Place) -> dict[str, Any]:
    options = dict(place.known(column.logicalTypeOptions or {}, _OPTIONS))
    for name, value in options.items():
        if not isinstance(value, _OPTIONS[name]) or value is None or isinstance(value, bool):
            raise place.at(name).error(f"is {value!r}, which it can't be compared with")
    return options


def _quality_rule(quality: DataQuality, place: Place, *, column: str | None) -> Rule:
    place = place.at(f"quality.{quality.name or quality.metric or quality.rule or quality.type}")
    level: Level = "warning" if quality.severity == "warning" else "error"
    if any(name != "mustBe" or value != 0 for name, value in _comparisons(quality).items()):
        raise place.error(
            f"says {', '.join(_comparisons(quality))}; of a rule of rows lakelib holds mustBe: 0 alone",
            hint="Each row that breaks the rule is rejected, or counted with severity: warning. For a share of rows "
            "use mostRejectedPercent.",
        )
    if quality.type == "custom" and quality.engine == "lakelib" and isinstance(quality.implementation, str):
        return Rule(quality.name or "condition", "condition", quality.implementation, column, level)
    arguments = sorted((quality.arguments or {}).items())
    match column, quality.metric, arguments:
        case str(), "invalidValues", [("validValues", list(values))]:
            return Rule(quality.name or "not_allowed", "values", tuple(values), column, level)
        case str(), "invalidValues", [("pattern", str(pattern))]:
            checked = _checked_pattern(pattern, place.at("arguments.pattern"))
            return Rule(quality.name or f"{column}_format", "pattern", checked, column, level)
        case str(), "nullValues" | "missingValues", []:
            return Rule(quality.name or "required", "required", None, column, level)
    raise place.error(
        "is not a rule lakelib can check",
        hint="Of a column: invalidValues with validValues (a list) or pattern, nullValues, missingValues without "
        "arguments. Of the table: rowCount. Of both: a condition, with type: custom and engine: lakelib.",
    )
