"""Columns that were delivered with types, as the types that their table promises.

A format that has types keeps them. A value is never turned into another: an integer may come as a wider integer, a
decimal or a double that is equal to it, but never as text, nor text as a number.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import pyarrow as pa

from lakelib.contracts import spark_type
from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.columns import storable_name

__all__ = ["Values", "arrow_type", "as_promised", "nulls", "storable_type"]

Values: TypeAlias = "pa.ChunkedArray[Any]"
_Test: TypeAlias = Callable[[pa.DataType], bool]

MOST_DIGITS: Final = 38
_INTEGER_DIGITS: Final = 19
_WIDENINGS: Final[tuple[tuple[_Test, _Test], ...]] = (
    (pa.types.is_integer, pa.types.is_integer),
    (pa.types.is_integer, pa.types.is_decimal),
    (pa.types.is_integer, pa.types.is_float64),
    (pa.types.is_decimal, pa.types.is_decimal),
    (pa.types.is_float32, pa.types.is_float64),
)


def arrow_type(promised: str) -> pa.DataType:
    """The type in a contract's words, `decimal(10,2)`, as Arrow has it."""
    from pyspark.sql.pandas.types import to_arrow_type

    return to_arrow_type(spark_type(promised), timezone="UTC")


def as_promised(delivered: Values, promised: pa.DataType | None, *, name: str) -> Values:
    """The column with equal values in the promised type; without one, in the nearest that Delta can hold.

    Raises:
        DeliveryRefusedError: SCHEMA_TYPE when the types differ in kind, or a value has no equal in the promised type.
    """
    if delivered.type == promised:
        return delivered
    if promised is not None and delivered.null_count == len(delivered):
        return nulls(len(delivered), promised)
    storable = storable_type(delivered.type)
    if storable is None:
        raise _refused(name, delivered.type, promised, found=f"{delivered.type}, which a Delta table can't hold")
    if promised is not None and not _is_widening(storable, promised):
        raise _refused(name, storable, promised, found=_spark_words(storable))
    try:
        kept = delivered.cast(storable)
        return kept if promised is None else _widened(kept, promised)
    except pa.ArrowInvalid as error:
        raise _refused(name, delivered.type, promised, found=f"a value that would change ({error})") from error


def nulls(rows: int, kind: pa.DataType) -> Values:
    """`rows` times no value."""
    return pa.chunked_array([pa.nulls(rows, kind)])  # type: ignore[call-overload]  # the stubs list each type by name


def storable_type(delivered: pa.DataType) -> pa.DataType | None:
    """The type of Delta that keeps every value: unsigned integers become wider ones, times of day ISO text."""
    if pa.types.is_nested(delivered):
        return _storable_nested(delivered)
    if pa.types.is_dictionary(delivered):
        return storable_type(delivered.value_type)
    if pa.types.is_timestamp(delivered):
        return pa.timestamp("us", tz=delivered.tz and "UTC")
    if pa.types.is_decimal(delivered):
        precision, scale = delivered.precision, delivered.scale
        return pa.decimal128(precision, scale) if precision <= MOST_DIGITS and 0 <= scale <= precision else None
    return _STORABLE.get(delivered)


_STORABLE: Final[dict[pa.DataType, pa.DataType]] = {
    **{
        each: each
        for each in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(), pa.date32())
    },
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    **dict.fromkeys((pa.binary(), pa.large_binary(), pa.binary_view()), pa.binary()),
    **dict.fromkeys((pa.null(), pa.string(), pa.large_string(), pa.string_view()), pa.string()),
    **dict.fromkeys((pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")), pa.string()),
}


def _storable_nested(delivered: Any) -> pa.DataType | None:
    if pa.types.is_struct(delivered):
        fields = {field.name: storable_type(field.type) for field in delivered}
        kept = {name: kind for name, kind in fields.items() if kind is not None and name == storable_name(name)}
        distinct = {name.lower() for name in kept}  # as for columns
        return pa.struct(list(kept.items())) if len(distinct) == delivered.num_fields else None
    if pa.types.is_map(delivered):
        key, item = storable_type(delivered.key_type), storable_type(delivered.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if pa.types.is_list(delivered) or pa.types.is_large_list(delivered) or pa.types.is_fixed_size_list(delivered):
        element = storable_type(delivered.value_type)
        return None if element is None else pa.list_(element)
    return None


def _is_widening(storable: pa.DataType, promised: pa.DataType) -> bool:
    if storable == promised:
        return True
    if pa.types.is_list(storable) and pa.types.is_list(promised):
        return bool(storable.value_type == promised.value_type)
    return any(is_from(storable) and is_to(promised) for is_from, is_to in _WIDENINGS)


def _widened(kept: Values, promised: pa.DataType) -> Values:
    if pa.types.is_integer(kept.type) and pa.types.is_decimal(promised):
        # Arrow wants room for the longest integer there is; the second cast looks at the values.
        roomy = pa.decimal128(min(MOST_DIGITS, _INTEGER_DIGITS + promised.scale), promised.scale)
        return kept.cast(roomy).cast(promised)
    return kept.cast(promised)


def _spark_words(kind: pa.DataType) -> str:
    from pyspark.sql.pandas.types import from_arrow_type

    return from_arrow_type(kind).simpleString()


def _refused(name: str, delivered: pa.DataType, promised: pa.DataType | None, *, found: str) -> DeliveryRefusedError:
    expected = "a type of Delta" if promised is None else _spark_words(promised)
    return DeliveryRefusedError(
        f"{expected} was expected in the column {name}; found {found}",
        hint="Deliver the type that the contract promises, or change the contract; silver casts.",
        reason="SCHEMA_TYPE",
    )
