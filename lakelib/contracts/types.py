"""Types of columns: Spark's names, read without asking an engine."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from lakelib.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

__all__ = ["ATOMIC_TYPES", "is_type", "spark_type"]

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
