"""Staged Parquet files, looked at without a query."""

from pathlib import Path

import pyarrow.parquet as pq

__all__ = ["staged_rows"]


def staged_rows(folder: str) -> int:
    """The rows in the Parquet files of a folder, by their footers; a folder that is not there has none."""
    return sum(pq.read_metadata(file).num_rows for file in Path(folder).glob("*.parquet"))
