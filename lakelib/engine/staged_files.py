"""Staged Parquet files: how they are written, and a look at them without a query."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

__all__ = [
    "COMPRESSION",
    "FLOATING",
    "NULL_COUNTS",
    "bound_floats",
    "chunk_bounds",
    "parquet_options",
    "staged_bounds",
    "staged_rows",
]

COMPRESSION: Final = "snappy"  # the quickest to write
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


def staged_bounds(folder: str, columns: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """The least and the greatest value of each column, by the footers; of those whose bounds each row group tells."""
    footers = [pq.read_metadata(file) for file in Path(folder).glob("*.parquet")]
    groups = [footer.row_group(number) for footer in footers for number in range(footer.num_row_groups)]
    told: dict[str, list[Any]] = {name: [] for name in columns}
    for group in groups:
        for chunk in map(group.column, range(group.num_columns)):
            if chunk.path_in_schema in told and chunk.statistics is not None and chunk.statistics.has_min_max:
                told[chunk.path_in_schema].append(chunk.statistics)
    found = {name: chunk_bounds(chunks) for name, chunks in told.items() if groups and len(chunks) == len(groups)}
    return {name: bounds for name, bounds in found.items() if bounds is not None}


def chunk_bounds(chunks: Iterable[Any]) -> tuple[Any, Any] | None:
    """The least and the greatest value by the statistics of column chunks; None where none tells, or Python has not."""
    try:
        bounds = [(chunk.min, chunk.max) for chunk in chunks if chunk.has_min_max]
    except (OverflowError, ValueError):
        return None
    return (min(low for low, _ in bounds), max(high for _, high in bounds)) if bounds else None


def bound_floats(files: Iterable[Path]) -> bool:
    """Whether the footer of a file has bounds of a column of floats, as other writers' have."""
    footers = map(pq.read_metadata, files)
    groups = (footer.row_group(number) for footer in footers for number in range(footer.num_row_groups))
    return any(
        chunk.physical_type in ("FLOAT", "DOUBLE") and chunk.statistics is not None and chunk.statistics.has_min_max
        for group in groups
        for chunk in map(group.column, range(group.num_columns))
    )
