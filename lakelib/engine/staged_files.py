"""Staged Parquet files: how they are written, and a look at them without a query."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

__all__ = ["FLOATING", "NULL_COUNTS", "parquet_options", "staged_rows"]

FLOATING: Final = frozenset(("float", "double"))
# In a file's own metadata: how many nulls each column has, as JSON, also where it has no statistics.
NULL_COUNTS: Final = "lakelib.null_counts"


def parquet_options(types: Iterable[str]) -> Mapping[str, str]:
    """For rows with columns of these types, in Spark's names.

    Statistics do not tell of NaN, and Sail takes a column for constant whose least value is its greatest: with floats
    there are none.
    """
    return {"statistics_enabled": "none"} if FLOATING.intersection(types) else {}


def staged_rows(folder: str) -> int:
    """The rows in the Parquet files of a folder, by their footers; a folder that is not there has none."""
    return sum(pq.read_metadata(file).num_rows for file in Path(folder).glob("*.parquet"))
