"""Types of columns: Spark's names, read without asking an engine."""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from lakelib.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

__all__ = ["ATOMIC_TYPES", "canonical", "is_type", "is_wider", "logical_type", "spark_type"]

ATOMIC_TYPES: Final = {
    "string": "StringType",
    "boolean": "BooleanType",
    "tinyint": "ByteType",
    "smallint": "ShortType",
    "int": "IntegerType",
    "integer": "IntegerType",
    "bigint": "LongType",
    "long": "LongType",
    "float": "FloatType",
    "double": "DoubleType",
    "date": "DateType",
    "timestamp": "TimestampType",
    "timestamp_ntz": "TimestampNTZType",
    "binary": "BinaryType",
}
_LOGICAL: Final = {
    **dict.fromkeys(("tinyint", "smallint", "int", "integer", "bigint", "long"), "integer"),
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    **dict.fromkeys(("timestamp", "timestamp_ntz"), "timestamp"),
    **{"boolean": "boolean", "date": "date", "array": "array", "map": "map", "struct": "object"},
}
_WHOLE_DIGITS: Final = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_HELD_BY: Final = {
    "smallint": ("tinyint",),
    "int": ("tinyint", "smallint"),
    "bigint": ("tinyint", "smallint", "int"),
    "float": ("tinyint", "smallint"),
    "double": ("tinyint", "smallint", "int", "float"),
}
_CANONICAL: Final = {"integer": "int", "long": "bigint"}
_DECIMAL: Final = (10, 0)
_MOST_DIGITS: Final = 38


def spark_type(text: str) -> "DataType":
    """`int`, `decimal(10,2)`, `array<string>`, `map<string,int>`, `struct<a:int,b:array<date>>`, however nested.

    Raises:
        ContractError: not a type of that kind.
    """
    if not is_type(text):
        raise ContractError(
            f"A column's type was given as {text!r}, which is none.",
            hint=f"Types are {', '.join(ATOMIC_TYPES)}, decimal(10,2), array<…>, map<…,…> and struct<name:…>.",
        )
    from pyspark.sql import types

    match _split(text):
        case "decimal", digits:
            return types.DecimalType(*(int(digit) for digit in digits))
        case "array", [element]:
            return types.ArrayType(spark_type(element))
        case "map", [key, value]:
            return types.MapType(spark_type(key), spark_type(value))
        case "struct", fields:
            return types.StructType([types.StructField(name, spark_type(kind)) for name, kind in map(_field, fields)])
        case kind, _:
            made: DataType = getattr(types, ATOMIC_TYPES[kind])()
    return made


@cache
def is_type(text: str) -> bool:
    """Whether `spark_type` makes a type of `text`; it does not import pyspark."""
    match _split(text):
        case "decimal", digits:
            return _is_decimal(digits)
        case "array", [element]:
            return is_type(element)
        case "map", [key, value]:
            return is_type(key) and is_type(value)
        case "struct", [_, *_] as fields:
            return all(name and is_type(kind) for name, kind in map(_field, fields))
        case kind, parts:
            return kind in ATOMIC_TYPES and not parts


@cache
def canonical(text: str) -> str:
    """The one way in which Spark itself writes the type `text`, which is one; the case of fields' names is kept."""
    match _split(text):
        case "decimal", digits:
            return f"decimal({','.join(map(str, (*map(int, digits), *_DECIMAL[len(digits) :])))})"
        case "struct", fields:
            named = (f"{name}:{canonical(kind)}" for name, kind in map(_field, fields))
            return f"struct<{','.join(named)}>"
        case kind, parts:
            return f"{kind}<{','.join(map(canonical, parts))}>" if parts else _CANONICAL.get(kind, kind)


def is_wider(text: str, *, than: str) -> bool:
    """Whether each value of the type `than` is one of `text`, exactly; a type is not wider than itself."""
    wide, narrow = canonical(text), canonical(than)
    room, needed = _digits(wide), _digits(narrow)
    if wide.startswith("decimal") and room and needed and wide != narrow:
        return room[0] >= needed[0] and room[1] >= needed[1]
    return narrow in _HELD_BY.get(wide, ())


@cache
def logical_type(text: str) -> str:
    """ODCS's word for what values of the type are."""
    kind, _ = _split(text)
    is_whole = kind == "decimal" and canonical(text).endswith(",0)")
    return "integer" if is_whole else _LOGICAL.get(kind, "string")


def _digits(text: str) -> tuple[int, int] | None:
    """Before and after the point, of exact numbers."""
    kind, digits = _split(text)
    if kind == "decimal":
        return int(digits[0]) - int(digits[1]), int(digits[1])
    return (_WHOLE_DIGITS[kind], 0) if kind in _WHOLE_DIGITS else None


def _is_decimal(digits: list[str]) -> bool:
    """Of no digits, a precision, or a precision and a scale."""
    if len(digits) > len(_DECIMAL) or not all(each.isdecimal() for each in digits):
        return False
    precision, scale = (*map(int, digits), *_DECIMAL[len(digits) :])
    return 1 <= precision <= _MOST_DIGITS and scale <= precision


def _field(text: str) -> tuple[str, str]:
    name, _, kind = re.sub(r"\s*:\s*|\s+", ":", text, count=1).partition(":")
    return name, kind


def _split(text: str) -> tuple[str, list[str]]:
    """`map<string,int>` as `map` and its two parts; what has no such form as itself."""
    match = re.fullmatch(r"(decimal)\s*\((.+)\)|(array|map|struct)\s*<(.+)>", text.strip(), re.IGNORECASE | re.DOTALL)
    if match is None:
        return text.strip().lower(), []
    return (match[1] or match[3]).lower(), list(_parts(match[2] or match[4]))


def _parts(text: str) -> Iterator[str]:
    """Cut at the commas that stand in no bracket."""
    depth, part = 0, ""
    for character in text:
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += character
    yield part.strip()
