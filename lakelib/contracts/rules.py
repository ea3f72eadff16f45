"""The rules of a contract file: what each row promises, and how many rows a batch may have."""

import math
from collections.abc import Callable, Iterator
from ctypes import c_float
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from open_data_contract_standard.model import DataQuality, SchemaObject, SchemaProperty

from lakelib.contracts.declared_types import TYPE_OPTIONS, declared_type
from lakelib.contracts.model import Contract, Rule
from lakelib.contracts.place import Place
from lakelib.contracts.quality_rules import checked_pattern, quality_rules, values_but_null
from lakelib.contracts.set_rules import references_of_column, references_of_table, unique_rule
from lakelib.contracts.thresholds import comparisons
from lakelib.contracts.types import logical_type

__all__ = ["check_values", "row_count", "row_rules"]

RowCount = tuple[int | None, int | None]

_LENGTHS: Final = ("minLength", "maxLength", "minItems", "maxItems")
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_OPTIONS: Final = (*_BOUNDS, *_LENGTHS, "pattern", "multipleOf")
_PRECISION: Final = {"double": "4E-16D", "float": "1E-7D"}  # what representing and dividing may change a number by
_VALUES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int, float, str),
    "number": (int, float, str),
    "date": (date, str),
    "timestamp": (datetime, date, str),
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
    key = [column.name for column in table.properties or () if column.primaryKey]
    for column in table.properties or ():
        column_place = place.at(f"properties.{column.name}")
        yield from _column_rules(column, column_place)
        if column.unique and key != [column.name]:
            yield unique_rule([column.name or ""])
        yield from references_of_column(column, column_place)
        yield from quality_rules(column.quality, column_place, column=column.name)
    yield from references_of_table(table, place)
    yield from quality_rules(table.quality, place, column=None)


def check_values(contract: Contract, place: Place) -> None:
    """Raises ContractError for a list of values in which is one that the column's type does not have."""
    types = {column.name: column.type for column in contract.columns}
    for rule in contract.rules:
        kind = types.get(rule.column or "", "")
        known = _VALUES.get(logical_type(kind)) if kind and rule.check in ("values", "present") else None
        if odd := [value for value in rule.argument if type(value) not in known] if known else []:
            raise place.at(f"properties.{rule.column}").error(
                f"lists {odd[0]!r} ({rule.code}), which it can't be compared with: the column is {kind}",
                hint="Text that YAML reads as something else, such as NO, 007 or 2013-01-31, stands in quotes.",
            )


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
    given = comparisons(quality)
    if not given:
        raise place.error("compares with nothing", hint=f"Give mustBeBetween or {', '.join(_ROW_COUNTS)}.")
    for name, value in place.known(given, (*_ROW_COUNTS, "mustBeBetween")):
        numbers = value if isinstance(value, list) else [value]
        if not all(isinstance(number, int) for number in numbers):
            raise place.at(name).error(f"is {value!r}; rows are counted in whole numbers")
        yield (numbers[0], numbers[1]) if name == "mustBeBetween" else _ROW_COUNTS[name](value)


def _column_rules(column: SchemaProperty, place: Place) -> Iterator[Rule]:
    options_place = place.at("logicalTypeOptions")
    name, options = column.name, _options(column, options_place)
    if column.required or column.primaryKey:
        yield Rule("required", "required", None, name)
    yield from _length_rules(name, options)
    if "pattern" in options:
        yield Rule(f"{name}_format", "pattern", checked_pattern(options["pattern"], options_place.at("pattern")), name)
    kind = declared_type(column, place)
    yield from _bound_rules(name, options, kind=kind)
    if column.enum:
        allowed = values_but_null([_as_held(each.value, kind) for each in column.enum])
        yield Rule("not_allowed", "values", allowed, name)


def _length_rules(name: str | None, options: dict[str, Any]) -> Iterator[Rule]:
    if "maxLength" in options:
        yield Rule("value_too_long", "longest", options["maxLength"], name)
    if "minLength" in options:
        yield Rule("value_too_short", "shortest", options["minLength"], name)
    if "maxItems" in options:
        yield Rule("too_many_items", "condition", f"size(`{name}`) <= {options['maxItems']}", name)
    if "minItems" in options:
        yield Rule("too_few_items", "condition", f"size(`{name}`) >= {options['minItems']}", name)


def _bound_rules(name: str | None, options: dict[str, Any], *, kind: str) -> Iterator[Rule]:
    if "minimum" in options:
        yield Rule("below_minimum", "minimum", options["minimum"], name)
    if "maximum" in options:
        yield Rule("above_maximum", "maximum", options["maximum"], name)
    if "exclusiveMinimum" in options:
        yield Rule("below_minimum", "condition", f"`{name}` > {_literal(options['exclusiveMinimum'], kind)}", name)
    if "exclusiveMaximum" in options:
        yield Rule("above_maximum", "condition", f"`{name}` < {_literal(options['exclusiveMaximum'], kind)}", name)
    if "multipleOf" in options:
        yield Rule("no_multiple", "condition", _multiple(f"`{name}`", options["multipleOf"], kind), name)


def _multiple(column: str, of: float, kind: str) -> str:
    """In SQL. No double is 1.15, so a fraction divides what is a multiple within the type's precision.

    NaN and infinity, which differ from themselves, are none.
    """
    if kind not in _PRECISION or float(of).is_integer():
        return f"{column} % {_literal(of, kind)} = 0"
    times = f"{column} / {_literal(of, kind)}"
    is_near = f"abs({times} - round({times})) <= abs({times}) * {_PRECISION[kind]}"
    return f"{column} - {column} = 0 AND {is_near}"


def _options(column: SchemaProperty, place: Place) -> dict[str, Any]:
    """The options that are rules, each with a value that the column's values can be compared with."""
    of_type = TYPE_OPTIONS.get(column.logicalType or "", ())
    given = dict(place.known(column.logicalTypeOptions or {}, (*_OPTIONS, *of_type)))
    kind = declared_type(column, place)
    return {name: _option(value, place.at(name), kind=kind) for name, value in given.items() if name not in of_type}


def _option(value: Any, place: Place, *, kind: str) -> Any:
    name, group = place.field.rpartition(".")[2], "number" if logical_type(kind) == "integer" else logical_type(kind)
    match name, group, value:
        case (("minItems" | "maxItems"), "array", int()) if not isinstance(value, bool):
            return value
        case (("minLength" | "maxLength"), "string", int()) if not isinstance(value, bool):
            return value
        case "pattern", "string", str():
            return value
        case "multipleOf", "number", int() | float() if math.isfinite(value) and value > 0 and value is not True:
            return value
        case _, "number", int() | float() if name in _BOUNDS and not isinstance(value, bool):
            return _as_held(value, kind)
        case _, ("date" | "timestamp"), str() | date() if name in _BOUNDS:
            return _day_or_instant(value, group, place)
    raise place.error(f"is {value!r}, which it can't be compared with: the column is {kind}")


def _as_held(value: Any, kind: str) -> Any:
    """A float of 0.1 is compared as the double that it is, which is more than 0.1."""
    return c_float(value).value if kind == "float" and isinstance(value, int | float) else value


def _day_or_instant(value: str | date, group: str, place: Place) -> date:
    """YAML reads an unquoted date as one. An instant without a zone is UTC."""
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise place.error(
            f"is {value!r}, which is no {group}", hint="Write it as 2013-01-31 or 2013-01-31T05:00:00Z."
        ) from error
    if group == "date":
        return instant.date()
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _literal(value: Any, kind: str) -> str:
    """In SQL, as a double beside what is floating: Sail would compare decimals, which hold less, and no NaN."""
    match value:
        case datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case date():
            return f"DATE '{value}'"
    return f"{Decimal(str(value)):f}{'D' if kind in _PRECISION else ''}"
