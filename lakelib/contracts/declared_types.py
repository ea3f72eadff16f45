"""The type that a contract file gives a column: its physicalType, or what its logicalType says as clearly."""

from collections.abc import Iterator
from typing import Any, Final

from open_data_contract_standard.model import SchemaProperty

from lakelib.contracts.place import Place
from lakelib.contracts.types import canonical, is_type, logical_type

__all__ = ["TYPE_OPTIONS", "declared_type"]

# The options that say a type, beside those that are rules.
TYPE_OPTIONS: Final = {"integer": ("format",), "number": ("format",), "timestamp": ("timezone",)}

_SIMPLE: Final = {"string": "string", "boolean": "boolean", "date": "date", "timestamp": "timestamp"}
_FORMATS: Final = {
    "integer": {
        **{"i8": "tinyint", "i16": "smallint", "i32": "int", "i64": "bigint"},
        **{"u8": "smallint", "u16": "int", "u32": "bigint", "u64": "decimal(20,0)"},
    },
    "number": {"f32": "float", "f64": "double"},
}
_DEFAULT_FORMATS: Final = {"integer": "i32"}
_WIDER: Final = {"integer": ("number",), "string": ("time",)}
_NOT_NESTED: Final = (
    *("required", "unique", "primaryKey", "enum", "quality", "relationships", "partitioned", "encryptedName"),
    "classification",
)


def declared_type(column: SchemaProperty, place: Place) -> str:
    """Spark's name of the type, nested ones from `items`, `properties` and `map`.

    Raises:
        ContractError: no type is given, none of Spark's, or two that contradict each other.
    """
    physical, meant = column.physicalType, _meant(column, place)
    if physical is None:
        if meant is None:
            raise place.error(
                "needs a physicalType", hint="Only some a logicalType tells alone: a number may be decimal(10,2)."
            )
        return meant
    if not is_type(physical):
        raise place.at("physicalType").error(f"is {physical}, which is no type of Spark")
    _check_logical(column, place)
    if _is_precise(column) and meant != canonical(physical):
        raise place.at("physicalType").error(f"is {physical}; the other fields of the column say {meant}")
    return canonical(physical)


def _check_logical(column: SchemaProperty, place: Place) -> None:
    found = logical_type(column.physicalType or "")
    if column.logicalType not in (None, found, *_WIDER.get(found, ())):
        raise place.at("logicalType").error(
            f"is {column.logicalType}; the physicalType {column.physicalType} is {found}",
            hint="Bronze holds delivered text: logicalType string. Leave one of the two out, or make them agree.",
        )


def _is_precise(column: SchemaProperty) -> bool:
    """Whether the column says its type in more than a word."""
    return bool(column.properties or column.items or column.map or "format" in (column.logicalTypeOptions or {}))


def _meant(column: SchemaProperty, place: Place) -> str | None:
    """What all fields but physicalType say; None where they leave it open."""
    if column.properties:
        return f"struct<{','.join(_fields(column.properties, place))}>"
    if column.items:
        return f"array<{_nested(column.items, place.at('items'))}>"
    if column.map and column.map.key and column.map.value:
        kinds = _nested(column.map.key, place.at("map.key")), _nested(column.map.value, place.at("map.value"))
        return f"map<{','.join(kinds)}>"
    _check_zone(column, place)
    if column.logicalType in _FORMATS:
        return _of_format(str(column.logicalType), column.logicalTypeOptions or {}, place)
    return _SIMPLE.get(str(column.logicalType))


def _of_format(logical: str, options: dict[str, Any], place: Place) -> str | None:
    chosen = options.get("format", _DEFAULT_FORMATS.get(logical))
    if chosen is not None and chosen not in _FORMATS[logical]:
        raise place.at("logicalTypeOptions.format").error(
            f"is {chosen!r}, which no type of Spark is", hint=f"There are: {', '.join(_FORMATS[logical])}."
        )
    return _FORMATS[logical].get(chosen) if chosen else None


def _check_zone(column: SchemaProperty, place: Place) -> None:
    if column.logicalType == "timestamp" and (column.logicalTypeOptions or {}).get("timezone") is False:
        raise place.at("logicalTypeOptions.timezone").error(
            "is false; a timestamp of a table is an instant",
            hint="Keep local time as string, or make it an instant in the notebook (transform.with_instants).",
        )


def _fields(properties: list[SchemaProperty], place: Place) -> Iterator[str]:
    for field in properties:
        name = field.name or "?"
        yield f"{name}:{_nested(field, place.at(f'properties.{name}'))}"


def _nested(column: SchemaProperty, place: Place) -> str:
    for field in _NOT_NESTED:
        if getattr(column, field, None):
            raise place.at(field).error(
                "is not held inside of a nested column", hint="A condition in SQL can be a rule of type custom."
            )
    for option in set(column.logicalTypeOptions or {}).difference(TYPE_OPTIONS.get(str(column.logicalType), ())):
        raise place.at(f"logicalTypeOptions.{option}").error("is not held inside of a nested column")
    return declared_type(column, place)
