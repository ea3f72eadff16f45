"""A broken promise as a value: struct<rule, column, message> in an array beside the row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DecimalType, StringType, TimestampType

__all__ = ["Candidate", "evidence", "findings"]

_FINDING: Final = "struct<rule:string,column:string,message:string>"
_CANDIDATE: Final = "struct<rule:string,column:string,value:string,says:string,is_found:boolean>"
_SHOWN_CHARACTERS: Final = 80
_KEPT_CHARACTERS: Final = 1000
_EXACT_DIGITS: Final = 15  # of a decimal that is the same as a double


@dataclass(frozen=True)
class Candidate:
    """What is found of the rows of `is_found`, told as `<column> = '<value>' <says>`, or as `says` alone."""

    rule: str | Column
    says: str | Column
    is_found: Column
    column: str | None = None

    def as_struct(self) -> Column:
        value = F.lit(None) if self.column is None else F.col(self.column)
        return F.struct(
            _text(self.rule).alias("rule"),
            F.lit(self.column).cast("string").alias("column"),
            value.cast("string").alias("value"),
            _text(self.says).alias("says"),
            self.is_found.alias("is_found"),
        ).cast(_CANDIDATE)  # without it, Sail changes its mind about which fields may be null


def findings(candidates: Sequence[Candidate]) -> Column:
    """An array of struct<rule, column, message> of what is found of a row."""
    if not candidates:
        return F.array_compact(F.array(F.lit(None).cast(_FINDING)))
    # The words are put together for all at once: engines take long to plan what is said for each column anew.
    found = F.filter(F.array(*(candidate.as_struct() for candidate in candidates)), lambda each: each["is_found"])
    return F.transform(found, _in_words).cast(f"array<{_FINDING}>")


def _in_words(found: Column) -> Column:
    column, value = found["column"], found["value"]
    quote = F.when(value.isNotNull(), "'")
    length = F.length(value)
    rest = F.when(length > _SHOWN_CHARACTERS, F.concat(F.lit("… ("), length.cast("string"), F.lit(" characters)")))
    # In one row of parts, of which those that are null say nothing: Sail's time to plan doubles with each level.
    message = F.concat_ws(
        "",
        F.concat(column, F.lit(" = ")),
        F.when(column.isNotNull() & value.isNull(), "null"),
        *(quote, F.substring(value, 1, _SHOWN_CHARACTERS), rest, quote),
        F.when(column.isNotNull(), " "),
        found["says"],
    )
    return F.struct(found["rule"].alias("rule"), column.alias("column"), message.alias("message"))


def _text(value: str | Column) -> Column:
    return (F.lit(value) if isinstance(value, str) else value).cast("string")


def evidence(df: DataFrame, names: Sequence[str]) -> Column:
    """The columns `names` of a row as JSON, each text cut at 1,000 characters: what is kept of a rejected row."""
    types = {field.name: field.dataType for field in df.schema}
    return F.to_json(F.struct(*(_kept(name, types.get(name)).alias(name) for name in names)))


def _kept(name: str, kind: DataType | None) -> Column:
    """As JSON can hold it whole: of a long decimal Sail would make a double, of an instant Spark milliseconds."""
    match kind:
        case StringType():
            return F.substring(name, 1, _KEPT_CHARACTERS)
        case TimestampType():
            return F.date_format(name, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
        case DecimalType(precision=precision) if precision > _EXACT_DIGITS:
            return F.col(name).cast("string")
    return F.col(name)
