"""A broken promise as a value: struct<rule, column, message> in an array beside the row."""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = ["FINDING", "finding", "findings", "shown"]

FINDING: Final = "struct<rule:string,column:string,message:string>"
_SHOWN_CHARACTERS: Final = 80


def finding(*, rule: str | Column, column: str | None, message: Column) -> Column:
    named = F.lit(rule) if isinstance(rule, str) else rule
    return F.struct(
        named.cast("string").alias("rule"),
        F.lit(column).cast("string").alias("column"),
        message.cast("string").alias("message"),
    ).cast(FINDING)


def findings(candidates: list[Column]) -> Column:
    """An array of those candidates that are not null."""
    none = F.lit(None).cast(FINDING)
    return F.filter(F.array(none, *candidates), lambda each: each.isNotNull())


def shown(value: Column) -> Column:
    """A value as a message shows it: quoted, its first characters only."""
    text = value.cast("string")
    short = F.when(
        F.length(text) > _SHOWN_CHARACTERS,
        F.concat(
            F.substring(text, 1, _SHOWN_CHARACTERS), F.lit("… ("), F.length(text).cast("string"), F.lit(" characters)")
        ),
    ).otherwise(text)
    return F.coalesce(F.concat(F.lit("'"), short, F.lit("'")), F.lit("null"))
