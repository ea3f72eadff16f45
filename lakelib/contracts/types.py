"""Types of columns: Spark's names, read without asking an engine."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from lakelib.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

__all__ = ["ATOMIC_TYPES", "spark_type"]

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


def spark_type(text: str) -> "DataType":
    """`int`, `decimal(10,2)`, `array<string>`, `map<string,int>`, `struct<a:int,b:array<date>>`, however nested.

    Raises:
        ContractError: not a type of that kind.
    """
    kind, arguments = _split(text)
    try:
        return _made(kind, list(_parts(arguments)))
    except (KeyError, ValueError, TypeError) as error:
        raise ContractError(
            f"A column's type was given as {text!r}, which is none.",
            hint=f"Types are {', '.join(ATOMIC_TYPES)}, decimal(10,2), array<…>, map<…,…> and struct<name:…>.",
        ) from error


def _made(kind: str, arguments: list[str]) -> "DataType":
    from pyspark.sql import types

    match kind:
        case "decimal":
            return types.DecimalType(*(int(argument) for argument in arguments))
        case "array":
            (element,) = arguments
            return types.ArrayType(spark_type(element))
        case "map":
            key, value = arguments
            return types.MapType(spark_type(key), spark_type(value))
        case "struct":
            fields = (re.split(r"\s*:\s*|\s+", argument, maxsplit=1) for argument in arguments)
            return types.StructType([types.StructField(name, spark_type(inner)) for name, inner in fields])
    if arguments:
        raise ValueError(kind)
    made: DataType = getattr(types, ATOMIC_TYPES[kind])()
    return made


def _split(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([a-z_]+)\s*(?:<(.*)>|\((.*)\))?", text.strip(), re.IGNORECASE | re.DOTALL)
    if match is None:
        return text, ""
    return match[1].lower(), match[2] or match[3] or ""


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
    if part.strip():
        yield part.strip()
