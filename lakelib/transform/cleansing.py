"""Text as people mean it: without spaces around it, in one case, one spelling, and null where it says nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = ["with_lower_case", "with_match_key", "with_nulls", "with_spellings", "with_trimmed", "with_upper_case"]

_ACCENTED: Final = "ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŠŽ"
_PLAIN: Final = "AAAAAACEEEEIIIINOOOOOOUUUUYSZ"


def with_trimmed(df: DataFrame, *names: str) -> DataFrame:
    """White space at both ends goes, inside it becomes one space; what is empty then becomes null."""
    return _changed(df, names, lambda text: F.nullif(F.trim(F.regexp_replace(text, r"\s+", " ")), F.lit("")))


def with_upper_case(df: DataFrame, *names: str) -> DataFrame:
    """Codes that are delivered in mixed case, in capitals."""
    return _changed(df, names, F.upper)


def with_lower_case(df: DataFrame, *names: str) -> DataFrame:
    """Codes that are delivered in mixed case, in small letters."""
    return _changed(df, names, F.lower)


def with_nulls(df: DataFrame, **sentinels: Sequence[Any]) -> DataFrame:
    """Values that stand for nothing become null: `with_nulls(df, speed=[0], tailnum=["N/A", "-"])`."""
    for name, values in sentinels.items():
        known = [value for value in values if value is not None]  # a null in the list would make all of them null
        df = df.withColumn(name, F.when(~F.col(name).isin(known), F.col(name)))
    return df


def with_spellings(df: DataFrame, name: str, *, spellings: Mapping[str, str]) -> DataFrame:
    """Each value that is a key of `spellings` becomes the value there; all others stay."""
    if not spellings:  # of a map without entries engines know no types
        return df
    respelled = F.create_map(*(F.lit(text) for pair in spellings.items() for text in pair))
    return df.withColumn(name, F.coalesce(F.element_at(respelled, F.col(name)), F.col(name)))


def with_match_key(df: DataFrame, name: str, *, of: Sequence[str]) -> DataFrame:
    """Adds the text by which records of different sources are matched: capitals and digits of the columns `of`.

    Accents, case, spaces and punctuation do not count (`Köln-Bonn` and `KOLN BONN` match); an empty key is null.
    """
    joined = F.upper(F.concat_ws("", *of))
    plain = F.translate(joined, _ACCENTED, _PLAIN)
    return df.withColumn(name, F.nullif(F.regexp_replace(plain, "[^A-Z0-9]", ""), F.lit("")))


def _changed(df: DataFrame, names: Sequence[str], change: Callable[[Column], Column]) -> DataFrame:
    return df.select(*((change(F.col(each)) if each in names else F.col(each)).alias(each) for each in df.columns))
