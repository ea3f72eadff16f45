"""Delivered text becomes typed columns, and what can't be read says why."""

from functools import reduce
from operator import or_
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakelib.contracts import Column as ContractColumn
from lakelib.contracts import Contract
from lakelib.contracts.findings import evidence, finding, findings, shown

__all__ = ["cast_to_contract"]

_WHOLE: Final = r"^[+-]?[0-9]+\z"
_NUMBER: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\z"
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_READABLE: Final = {
    "tinyint": ("number_format", _WHOLE),
    "smallint": ("number_format", _WHOLE),
    "int": ("number_format", _WHOLE),
    "bigint": ("number_format", _WHOLE),
    "float": ("number_format", _NUMBER),
    "double": ("number_format", _NUMBER),
    "decimal": ("number_format", _NUMBER),
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
    left out, platform columns (`_…`) go along. Out, beside them: `_errors` (array of struct<rule, column, message>)
    and `_raw` (the row as it was delivered, as JSON, each value cut at 1,000 characters; null for a row that reads
    well). A row of `_corrupt_record` gets that code as its rule. Numbers and dates are read strictly and alike on
    every engine: `1,089` is no number, 2013-02-30 no date, and a timestamp without a zone is UTC. Columns that have a
    type already are cast too; a value that the contract's type can't hold is unreadable.
    """
    held = set(df.columns)
    known = [column for column in contract.columns if column.name in held]
    types = {field.name: field.dataType.simpleString() for field in df.schema}
    retyped = [column for column in known if _kind(column) in _READABLE and types[column.name] != column.type]
    lost = {column: _is_lost(column, types[column.name]) for column in retyped}
    errors = findings([*_corrupt(df), *(_unreadable(column, is_lost) for column, is_lost in lost.items())])
    # Nearly all rows read well: reasons, and the row as JSON, are computed for the others alone.
    is_broken = reduce(or_, [*lost.values(), *_is_corrupt(df)], F.lit(False))
    platform = [name for name in df.columns if name.startswith("_") and name not in ("_errors", "_raw")]
    return df.select(
        *(_cast(column, types[column.name]).alias(column.name) for column in known),
        *platform,
        F.when(is_broken, errors).otherwise(findings([])).alias("_errors"),
        F.when(is_broken, _as_delivered(df)).alias("_raw"),
    )


def _kind(column: ContractColumn) -> str:
    return column.type.partition("(")[0]


def _cast(column: ContractColumn, delivered: str) -> Column:
    if _kind(column) not in _READABLE or delivered == column.type:
        return F.col(column.name).cast(column.type)
    if delivered == "string":
        return F.when(_is_readable(column), F.trim(column.name).try_cast(column.type))
    cast = F.col(column.name).try_cast(column.type)
    # A fraction is not cut off: such a number is no integer.
    return F.when(cast == F.col(column.name), cast) if _READABLE[_kind(column)][1] == _WHOLE else cast


def _is_readable(column: ContractColumn) -> Column:
    return F.trim(column.name).rlike(_READABLE[_kind(column)][1])


def _unreadable(column: ContractColumn, is_lost: Column) -> Column:
    code = _READABLE[_kind(column)][0]
    value = shown(F.col(column.name))
    message = F.concat(F.lit(f"{column.name} = "), value, F.lit(f" is no {column.type}"))
    return F.when(is_lost, finding(rule=code, column=column.name, message=message))


def _is_lost(column: ContractColumn, delivered: str) -> Column:
    value = F.col(column.name)
    return value.isNotNull() & _cast(column, delivered).isNull()


def _is_corrupt(df: DataFrame) -> list[Column]:
    return [F.col("_corrupt_record").isNotNull()] if "_corrupt_record" in df.columns else []


def _corrupt(df: DataFrame) -> list[Column]:
    if "_corrupt_record" not in df.columns:
        return []
    record = F.col("_corrupt_record")
    code = F.lower(F.substring_index(record, ":", 1))
    return [F.when(record.isNotNull(), finding(rule=code, column=None, message=F.substring(record, 1, 200)))]


def _as_delivered(df: DataFrame) -> Column:
    return evidence(df, [name for name in df.columns if not name.startswith("_") or name == "_corrupt_record"])
