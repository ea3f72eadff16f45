"""What rows say, as one hash: taken while a delivery is parsed, and again whenever somebody wants the proof."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakelib.ingest.columns import PLATFORM_COLUMNS
from lakelib.ingest.records import CORRUPT, NUMBER

__all__ = ["ContentHash"]

_STAMPS: Final = frozenset(PLATFORM_COLUMNS) - {CORRUPT, NUMBER}


class ContentHash:
    """SHA-256 of one delivery's rows, in the order of `_source_row`: of the source's columns and of what did not parse.

    It depends on the values, their columns and their order; not on the blocks that the rows come in, on the order of
    the columns, or on columns that are null in every row: a table that got columns later proves its old rows still.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._columns: dict[str, _ColumnHash] = {}

    def update(self, rows: pa.Table) -> None:
        """Takes the next rows; the columns that the platform adds, but for those two, are left out."""
        for name in rows.column_names:
            if name not in _STAMPS:
                column = self._columns.setdefault(name, _ColumnHash())
                column.skip_to(self._rows)
                column.update(rows[name])
        self._rows += rows.num_rows

    def hexdigest(self, names: Mapping[str, str] | None = None) -> str:
        """As if the columns had the names that `names` has for theirs."""
        digest = hashlib.sha256()
        renamed = {(names or {}).get(name, name): column for name, column in self._columns.items()}
        for name, column in sorted(renamed.items()):
            if column.has_values:
                column.skip_to(self._rows)
                digest.update(f"{name}={column.lengths.hexdigest()}{column.values.hexdigest()}\n".encode())
        return digest.hexdigest()


@dataclass
class _ColumnHash:
    """Lengths and values in a hash each, so that neither depends on where a block ends."""

    rows: int = 0
    has_values: bool = False
    lengths: Any = field(default_factory=hashlib.sha256)
    values: Any = field(default_factory=hashlib.sha256)

    def skip_to(self, row: int) -> None:
        """The rows up to `row` are null."""
        self.lengths.update(b"\xff\xff\xff\xff" * (row - self.rows))
        self.rows = row

    def update(self, values: "pa.ChunkedArray[Any]") -> None:
        for chunk in values.chunks:
            texts: Any = _texts(chunk)
            self.lengths.update(pc.fill_null(pc.binary_length(texts), -1).to_numpy())
            there = texts.drop_null()
            if len(there):
                self.has_values = True
                self.values.update(_joined(there))
        self.rows += len(values)


def _joined(texts: "pa.Array[Any]") -> memoryview:
    """The bytes of all texts after one another, which is how Arrow holds them."""
    _, offsets, content = (memoryview(buffer or b"") for buffer in texts.buffers())
    ends = offsets.cast("i")
    return content[ends[texts.offset] : ends[texts.offset + len(texts)]]


def _texts(values: "pa.Array[Any]") -> "pa.Array[Any]":
    """The values as bytes: equal values give equal bytes, whichever engine they were read with."""
    if pa.types.is_nested(values.type):
        return pa.array([None if value is None else repr(value).encode() for value in values.to_pylist()], pa.binary())
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return values.cast(pa.binary())
    return values.cast(pa.string()).cast(pa.binary())
