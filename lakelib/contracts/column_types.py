"""The narrowest of a contract's types that holds every value of a column and loses nothing of it."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Values", "spark_name", "text_type", "trimmed"]

Values: TypeAlias = "pa.ChunkedArray[Any]"

# As `transform.cast_to_contract` reads text, but for leading zeros and plus signs: a number does not keep them.
_WHOLE: Final = r"^(0|-?[1-9][0-9]*)$"
_EXACT: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_FLOATING: Final = r"^-?[0-9](\.[0-9]{1,14})?[eE][+-]?[0-9]{1,2}$"
_SHORT: Final = r"^-?(0|[1-9][0-9]{0,7})(\.[0-9]{1,7})?$"
_BOOLEAN: Final = r"(?i)^(true|false)$"
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIMESTAMP: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?$"
)
_WHOLE_TYPES: Final = {9: "int", 18: "bigint", 38: "decimal(38,0)"}
_PRECISIONS: Final = (18, 38)
_ARROW_NAMES: Final = {
    "bool": "boolean",
    **{"int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint"},
    **{"uint8": "smallint", "uint16": "int", "uint32": "bigint", "uint64": "decimal(20,0)"},
    **{"halffloat": "float", "float": "float", "double": "double"},
    **{"date32[day]": "date", "date64[ms]": "date"},
    **{"binary": "binary", "large_binary": "binary", "null": "string"},
}


def text_type(values: Values) -> str:
    """The type of a column that was delivered as text; `string` where a value would not come back as it was.

    Blanks around a value do not count. Numbers have room to grow: 9 digits for an int, 18 for a bigint or a decimal.
    """
    distinct = trimmed(pc.unique(pc.drop_null(values)))
    if len(distinct) == 0:
        return "string"
    return next((kind for read in _READERS if (kind := read(distinct)) is not None), "string")


def trimmed(values: Any) -> Any:
    return pc.utf8_trim(values, characters=" ")


def spark_name(kind: pa.DataType) -> str:
    """The contract's name of an Arrow type; `string` for what a Delta table has no type for."""
    match kind:
        case pa.DictionaryType():
            return spark_name(kind.value_type)
        case pa.Decimal128Type():
            return f"decimal({kind.precision},{kind.scale})"
        case pa.ListType() | pa.LargeListType():
            return f"array<{spark_name(kind.value_type)}>"
        case pa.MapType():
            return f"map<{spark_name(kind.key_type)},{spark_name(kind.item_type)}>"
        case pa.StructType():
            return f"struct<{','.join(f'{field.name}:{spark_name(field.type)}' for field in kind)}>"
    return "timestamp" if pa.types.is_timestamp(kind) else _ARROW_NAMES.get(str(kind), "string")


def _boolean(distinct: Any) -> str | None:
    return "boolean" if _all(distinct, _BOOLEAN) else None


def _whole(distinct: Any) -> str | None:
    if not _all(distinct, _WHOLE):
        return None
    digits = _longest(pc.replace_substring(distinct, "-", ""))
    return next((kind for most, kind in _WHOLE_TYPES.items() if digits <= most), None)


def _decimal(distinct: Any) -> str | None:
    if not _all(distinct, _EXACT):
        return None
    parts = pc.extract_regex(distinct, r"^-?(?P<whole>[0-9]+)\.?(?P<fraction>[0-9]*)$")
    scale = _longest(pc.struct_field(parts, "fraction"))
    digits = _longest(pc.struct_field(parts, "whole")) + scale
    return next((f"decimal({most},{scale})" for most in _PRECISIONS if digits <= most), None)


def _double(distinct: Any) -> str | None:
    """For numbers with an exponent; those without one are exact as decimals."""
    exponents = pc.match_substring_regex(distinct, _FLOATING)
    short = pc.match_substring_regex(distinct, _SHORT)
    return "double" if pc.all(pc.or_(exponents, short)).as_py() else None


def _date(distinct: Any) -> str | None:
    return "date" if _all(distinct, _DATE) and _casts(distinct, pa.date32()) else None


def _timestamp(distinct: Any) -> str | None:
    """The text is read without its zone: whether it is an instant of the calendar does not hang on it."""
    local = pc.replace_substring_regex(distinct, r"(Z|[+-][0-9]{2}:[0-9]{2})$", "")
    return "timestamp" if _all(distinct, _TIMESTAMP) and _casts(local, pa.timestamp("us")) else None


_READERS: Final[tuple[Callable[[Any], str | None], ...]] = (_boolean, _whole, _decimal, _double, _date, _timestamp)


def _all(distinct: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(distinct, pattern)).as_py())


def _longest(texts: Any) -> int:
    return int(pc.max(pc.utf8_length(texts)).as_py() or 0)


def _casts(texts: Any, kind: pa.DataType) -> bool:
    try:
        pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return False
    return True
