"""What Delta's log tells of a Parquet file: how many rows it has, and the nulls and bounds of its columns.

Readers leave out files by it. Each column has bounds where it can, be they wide: where the log tells those of some
columns alone, delta-rs's own filters find no row by the others (deltalake 1.6.6).
"""

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakelib.engine.staged_files import NULL_COUNTS, chunk_bounds

__all__ = ["file_statistics"]

_LONGEST_TEXT: Final = 64
_LAST_TEXT: Final = "\U0010ffff" * 4  # no text sorts after it but one that begins with these, which are no characters
_DIGITS: Final = 15  # of a number that is the same as a double
_LEAST_STEP: Final = Decimal("0.0001")  # a double below it is written with an exponent, which delta-rs reads as null
_LINE_END: Final = re.compile("[\x85\u2028\u2029]")
# How far a float's bound is from the value, of it and at least: Sail reads 17 digits one step off.
_SLACK: Final = 1e-6
_LEAST_SLACK: Final = 1e-30
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class _Column:
    """Bounds are None where they are not known, and where all is null."""

    nulls: int
    least: Any = None
    most: Any = None


def file_statistics(file: Path, schema: pa.Schema) -> str:
    """As Delta's protocol has them, in JSON, of those columns of the table's schema that hold no others.

    Bounds are as wide as it takes for each reader to hold all values between them: timestamps to the millisecond,
    decimals to 15 digits, texts to 64 characters; of text that the file has no bounds of, the widest that there are.
    Floats with NaN or infinity have none (JSON can't tell of them), and neither have bytes, and days and instants that
    Python has not.
    """
    flat = [field.name for field in schema if not pa.types.is_nested(field.type)]
    with pq.ParquetFile(file) as opened:
        rows, present = opened.metadata.num_rows, {*opened.schema_arrow.names}
        told = {**_counted(opened), **_of_footer(opened.metadata)}
        lacking = {name: _Column(rows) for name in flat if name not in present}
        untold = [name for name in flat if name in present and name not in told]
        found = {**told, **_of_values(opened, untold), **lacking}
    columns = {name: found[name] for name in flat}
    least = {name: _lower(column.least) for name, column in columns.items()}
    most = {name: _upper(column.most) for name, column in columns.items()}
    statistics = {
        "numRecords": rows,
        "tightBounds": False,
        "minValues": {name: bound for name, bound in least.items() if bound is not None},
        "maxValues": {name: bound for name, bound in most.items() if bound is not None},
        "nullCount": {name: column.nulls for name, column in columns.items()},
    }
    # Characters as they are, for delta-rs takes an escaped one above U+1FFFF for another; but for those that some
    # readers end a line at.
    return _LINE_END.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(statistics, ensure_ascii=False))


def _counted(file: pq.ParquetFile) -> Mapping[str, _Column]:
    """The columns of text whose nulls the file itself counts (`NULL_COUNTS`): it may have no bounds of them."""
    counts: dict[str, int] = json.loads((file.metadata.metadata or {}).get(NULL_COUNTS.encode(), b"{}"))
    texts = {field.name for field in file.schema_arrow if pa.types.is_string(field.type)}
    return {
        name: _Column(nulls, "", _LAST_TEXT) if nulls < file.metadata.num_rows else _Column(nulls)
        for name, nulls in counts.items()
        if name in texts
    }


def _of_footer(footer: pq.FileMetaData) -> Mapping[str, _Column]:
    """The columns of which each row group tells. A footer's bounds of floats say nothing of NaN."""
    found = {}
    for index in range(footer.num_columns):
        column = footer.schema.column(index)
        if column.path != column.name or column.physical_type in ("FLOAT", "DOUBLE"):
            continue
        chunks = [*_chunks(footer, index)]
        if all(chunk is not None and chunk.has_null_count and _is_told(chunk) for chunk in chunks):
            nulls, bounds = sum(chunk.null_count for chunk in chunks), chunk_bounds(chunks)
            found[column.name] = _Column(nulls, *(bounds or (None, None)))
    return found


def _chunks(footer: pq.FileMetaData, column: int) -> Iterator[Any]:
    return (footer.row_group(number).column(column).statistics for number in range(footer.num_row_groups))


def _is_told(chunk: Any) -> bool:
    """Whether it has bounds, or nothing but nulls."""
    return bool(chunk.has_min_max) or chunk.num_values == 0


def _of_values(file: pq.ParquetFile, names: Sequence[str]) -> Mapping[str, _Column]:
    nulls = dict.fromkeys(names, 0)
    bounds: dict[str, list[Any]] = {name: [] for name in names}
    for batch in file.iter_batches(columns=[*names]) if names else ():
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            nulls[name] += values.null_count
            if values.null_count < len(values) and not pa.types.is_binary(values.type):
                bounds[name] += _extremes(values)
    return {
        name: _Column(nulls[name])
        if not told or any(isinstance(bound, float) and not math.isfinite(bound) for bound in told)
        else _Column(nulls[name], min(told), max(told))
        for name, told in bounds.items()
    }


def _extremes(values: "pa.Array[Any]") -> list[Any]:
    """The least and the greatest value, and NaN where there is one."""
    try:
        extremes = [value.as_py() for value in pc.min_max(values).values()]
    except (OverflowError, ValueError):  # a day or an instant that Python has not
        return [math.nan]
    has_nan = pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py()
    return [*extremes, math.nan] if has_nan else extremes


def _lower(value: Any) -> Any:
    match value:
        case datetime():
            return _instant(value - timedelta(microseconds=value.microsecond % 1000))
        case str():
            return value[:_LONGEST_TEXT]
        case Decimal():
            return _number(value, ROUND_FLOOR)
        case float():
            return max(value - _slack(value), -sys.float_info.max)
    return _exact(value)


def _upper(value: Any) -> Any:
    match value:
        case datetime():
            past = timedelta(microseconds=value.microsecond % 1000)
            if past and value.replace(tzinfo=None) > datetime.max - _MILLISECOND:
                return None  # the last one of all, as an end that is not known
            return _instant(value - past + _MILLISECOND if past else value)
        case str():
            return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + _LAST_TEXT
        case Decimal():
            return _number(value, ROUND_CEILING)
        case float():
            return min(value + _slack(value), sys.float_info.max)
    return _exact(value)


def _slack(value: float) -> float:
    return max(abs(value) * _SLACK, _LEAST_SLACK)


def _exact(value: Any) -> Any:
    match value:
        case bool() | int():
            return value
        case date():
            return value.isoformat()
    return None


def _instant(value: datetime) -> str:
    """To the millisecond, which is what every reader takes."""
    if value.tzinfo is None:
        return value.isoformat(timespec="milliseconds")
    return value.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _number(value: Decimal, rounding: str) -> float:
    rounded = Context(prec=_DIGITS, rounding=rounding).plus(value)
    if abs(rounded) < _LEAST_STEP:
        rounded = rounded.quantize(_LEAST_STEP, rounding=rounding)
    return int(rounded) if rounded == rounded.to_integral_value() else float(rounded)
