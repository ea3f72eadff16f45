"""Schemas without NOT NULL."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = ["as_nullable"]

_MARKS: Final = ("nullable", "containsNull", "valueContainsNull")


def as_nullable(schema: "StructType") -> "StructType":
    """`schema` with every column, field, element and value nullable.

    Tables have no NOT NULL: a delta-rs merge writes strings as Arrow views, and Sail can't read a view where the
    table's schema forbids nulls. What is required is held by the gate.
    """
    from pyspark.sql.types import StructType

    return StructType.fromJson(_nullable(schema.jsonValue()))


def _nullable(part: Any) -> Any:
    if isinstance(part, list):
        return [_nullable(each) for each in part]
    if isinstance(part, dict):
        return {key: True if key in _MARKS else _nullable(value) for key, value in part.items()}
    return part
