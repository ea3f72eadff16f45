"""Parquet files, their types kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import parquet

from lakelib.errors import DeliveryRefusedError

__all__ = ["ParquetFormat"]

_BATCH_ROWS: Final = 16_384


@dataclass(frozen=True)
class ParquetFormat:
    """A Parquet file."""

    def read(self, file: Path) -> Iterator[pa.Table]:
        """The file's rows in its order.

        Raises:
            DeliveryRefusedError: CORRUPT_PARQUET, possibly after good rows.
        """
        try:
            with parquet.ParquetFile(file) as opened:
                for batch in opened.iter_batches(batch_size=_BATCH_ROWS):
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise DeliveryRefusedError(
                f"a whole Parquet file was expected; {error}",
                hint="Deliver the complete file again.",
                reason="CORRUPT_PARQUET",
            ) from error
