"""Delivered text becomes typed columns, and what can't be read says why."""

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakelib.contracts import Column as ContractColumn
from lakelib.contracts import Contract
from lakelib.contracts.findings import Candidate, evidence, findings
from lakelib.engine.conditions import any_of

__all__ = ["cast_to_contract"]

_TYPED: Final = "_typed_"
_WHOLE: Final = r"^[+-]?[0-9]+\z"
_DIGITS: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_NUMBER: Final = rf"{_DIGITS}([eE][+-]?[0-9]+)?\z"
_EXACT_DIGITS: Final = 15  # that a double holds of any decimal
_DAY: Final = r"([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"
# The first and the last instant that Python, and so every notebook, can be told of: a zone may lead beyond them.
_INSTANTS: Final = ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999")
_READABLE: Final = {
    "tinyint": ("number_format", _WHOLE),
    "smallint": ("number_format", _WHOLE),
    "int": ("number_format", _WHOLE),
    "bigint": ("number_format", _WHOLE),
    "float": ("number_format", _NUMBER),
    "double": ("number_format", _NUMBER),
    "decimal": ("number_format", rf"{_DIGITS}\z"),  # of an exponent Sail makes no decimal
    "boolean": ("boolean_format", r"(?i)^(true|false)\z"),
    "date": ("date_range", rf"^{_DAY}\z"),
    "timestamp": (
        "date_range",
        rf"^{_DAY}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?\z",
    ),
}


def cast_to_contract(df: DataFrame, contract: Contract) -> DataFrame:
    """Columns as the contract's types; spaces around a number or a date do not count.

    In: any columns; those of the contract that are missing are left to later steps, those that it doesn't know are
    left out, platform columns (`_…`) go along. Out, beside them, and null for a row that reads well: `_errors` (array
    of struct<rule, column, message>) and `_raw` (the row as it was delivered, as JSON, each value cut at 1,000
    characters). A row of `_corrupt_record` gets that code as its rule. Numbers and dates are read strictly and alike on
    every engine: `1,089` is no number, `1.5e2` no decimal, 2013-02-30 no date (nor is one before the year 1 or after
    9999), and a timestamp without a zone is UTC. Columns that have a type already are cast too; a value that the
    contract's type can't hold is unreadable.
    """
    held = set(df.columns)
    known = [column for column in contract.columns if column.name in held]
    types = {field.name: field.dataType.simpleString() for field in df.schema}
    retyped = [column for column in known if _kind(column) in _READABLE and types[column.name] != column.type]
    # Cast first, then judged by both columns: a plan that says each cast several times takes longer than few rows.
    typed = df.withColumns({f"{_TYPED}{column.name}": _cast(column, types[column.name]) for column in known})
    if instants := {f"{_TYPED}{each.name}": _within_years(each) for each in retyped if each.type == "timestamp"}:
        typed = typed.withColumns(instants)
    found = [*_corrupt(df), *map(_unreadable, retyped)]
    is_broken = any_of(each.is_found for each in found)
    platform = [name for name in df.columns if name.startswith("_") and name not in ("_errors", "_raw")]
    return typed.select(
        *(F.col(f"{_TYPED}{column.name}").alias(column.name) for column in known),
        *platform,
        # Nearly all rows read well: reasons, and the row as JSON, are computed for the others alone.
        F.when(is_broken, findings(found)).alias("_errors"),
        F.when(is_broken, _as_delivered(df)).alias("_raw"),
    )


def _kind(column: ContractColumn) -> str:
    return column.type.partition("(")[0]


def _cast(column: ContractColumn, delivered: str) -> Column:
    if _kind(column) not in _READABLE or delivered == column.type:
        return F.col(column.name).cast(column.type)
    if delivered == "string":
        return _read(column)
    cast = F.col(column.name).try_cast(column.type)
    # A fraction is not cut off: such a number is no integer.
    return F.when(cast == F.col(column.name), cast) if _READABLE[_kind(column)][1] == _WHOLE else cast


def _read(column: ContractColumn) -> Column:
    """Nearly all values have no spaces around them, and are read as they are."""
    text, trimmed = F.col(column.name), F.trim(column.name)
    _, readable = _READABLE[_kind(column)]
    if short := _short_decimal(column):
        # A double holds decimals of so few digits, and Sail takes a third as long for one.
        read = F.when(text.rlike(short), text.try_cast("double").try_cast(column.type))
    else:
        read = F.when(text.rlike(readable), _value(text, column))
    return read.when(trimmed.rlike(readable), _value(trimmed, column))


def _value(text: Column, column: ContractColumn) -> Column:
    # Sail takes half as long for a day that is read as an instant; days of Spark are the same either way.
    return text.try_cast("timestamp_ntz").cast("date") if column.type == "date" else text.try_cast(column.type)


def _within_years(column: ContractColumn) -> Column:
    first, last = (F.lit(instant).cast("timestamp") for instant in _INSTANTS)
    typed = F.col(f"{_TYPED}{column.name}")
    return F.when(typed.between(first, last), typed)


def _short_decimal(column: ContractColumn) -> str:
    """What numbers look like that become the same decimal by way of a double; nothing where there is none."""
    if _kind(column) != "decimal":
        return ""
    scale = int(column.type.rstrip(")").partition(",")[2] or 0)
    fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    return rf"^[+-]?[0-9]{{1,{_EXACT_DIGITS - scale}}}{fraction}\z" if scale < _EXACT_DIGITS else ""


def _unreadable(column: ContractColumn) -> Candidate:
    code = _READABLE[_kind(column)][0]
    return Candidate(code, f"is no {column.type}", is_found=_is_lost(column), column=column.name)


def _is_lost(column: ContractColumn) -> Column:
    return F.col(column.name).isNotNull() & F.col(f"{_TYPED}{column.name}").isNull()


def _corrupt(df: DataFrame) -> list[Candidate]:
    if "_corrupt_record" not in df.columns:
        return []
    record = F.col("_corrupt_record")
    code = F.lower(F.substring_index(record, ":", 1))
    return [Candidate(code, F.substring(record, 1, 200), is_found=record.isNotNull())]


def _as_delivered(df: DataFrame) -> Column:
    return evidence(df, [name for name in df.columns if not name.startswith("_") or name == "_corrupt_record"])
