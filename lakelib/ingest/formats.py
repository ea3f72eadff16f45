"""Formats that are read from a file and have types of their own: the Protocol, and its rows on their way to a table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from lakelib.ingest.columns import Columns
from lakelib.ingest.records import Corrupt, with_corrupt

__all__ = ["BrokenRecord", "FileFormat", "numbered_tables"]


@dataclass(frozen=True)
class BrokenRecord:
    """A record that can't be read in its place: a code in capitals, what is wrong, and the record as it stands."""

    code: str
    message: str
    record: str


class FileFormat(Protocol):
    """How a delivered file becomes rows."""

    def read(self, file: Path) -> Iterator[pa.Table | BrokenRecord]:
        """The records of an unpacked file on a local disk, in its order, in tables of at most some megabytes.

        The same bytes give the same rows. Columns are named and typed as they were delivered; lakelib compares them
        with the contract. What is wrong with the whole file is raised as DeliveryRefusedError with a `reason` in
        capitals, also after good rows: nothing of the file is loaded then.
        """
        ...


def numbered_tables(pieces: Iterable[pa.Table | BrokenRecord], columns: Columns) -> Iterator[pa.Table]:
    """The pieces as tables with `_corrupt_record` and `_source_row`, which counts records of either kind from 1.

    Raises:
        DeliveryRefusedError: SCHEMA_MISSING_COLUMN, or what Columns refuses.
    """
    number = 1
    for piece in pieces:
        if isinstance(piece, BrokenRecord):
            corrupt = Corrupt(number, f"{piece.code}: {piece.message} | {piece.record}")
            yield with_corrupt({}, numbers=[], corrupt=[corrupt])
            number += 1
        else:
            names = columns.admit(piece.column_names)
            columns.check_required(names)
            numbers = range(number, number + piece.num_rows)
            yield with_corrupt(dict(zip(names, piece.columns, strict=True)), numbers=numbers, corrupt=[])
            number += piece.num_rows
