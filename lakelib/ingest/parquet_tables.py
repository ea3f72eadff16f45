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
            DeliveryRefusedError: CORRUPT_PARQUET, which a page's checksum tells, too; ENCODING for text that is not
                UTF-8; possibly after good rows.
        """
        try:
            with parquet.ParquetFile(file, page_checksum_verification=True) as opened:
                for batch in opened.iter_batches(batch_size=_BATCH_ROWS):
                    batch.validate(full=True)  # the reader takes any bytes for text, which no engine reads again
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
            raise _broken(error) from error


def _broken(error: Exception) -> DeliveryRefusedError:
    is_encoding = isinstance(error, UnicodeDecodeError) or "Invalid UTF8" in str(error)
    return DeliveryRefusedError(
        f"{'text in utf-8' if is_encoding else 'a whole Parquet file'} was expected; {error}",
        hint="Have its text written as UTF-8, or as bytes." if is_encoding else "Deliver the complete file again.",
        reason="ENCODING" if is_encoding else "CORRUPT_PARQUET",
    )
