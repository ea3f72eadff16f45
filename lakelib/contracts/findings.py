"""A broken promise as a value: struct<rule, column, message> in an array beside the row."""

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = ["FINDING", "evidence", "finding", "findings", "shown"]

FINDING: Final = "struct<rule:string,column:string,message:string>"
_SHOWN_CHARACTERS: Final = 80
_KEPT_CHARACTERS: Final = 1000


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
    return F.array_compact(F.array(none, *candidates))


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


def evidence(df: DataFrame, names: Sequence[str]) -> Column:
    """The columns `names` of a row as JSON, each text cut at 1,000 characters: what is kept of a rejected row."""
    texts = {field.name for field in df.schema if field.dataType.simpleString() == "string"}
    cut = (F.substring(name, 1, _KEPT_CHARACTERS).alias(name) if name in texts else F.col(name) for name in names)
    return F.to_json(F.struct(*cut))
