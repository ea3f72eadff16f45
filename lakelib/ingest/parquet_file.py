"""One Parquet file that is there whole or not at all."""

import json
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from lakelib.ingest.columns import PLATFORM_COLUMNS

__all__ = ["ParquetFile"]

ROW_GROUP_BYTES: Final = 32 << 20
_DICTIONARY_BYTES: Final = 256 << 10  # beyond, it is one of values that seldom return, and costs more than it saves
_FIRST_ROWS: Final = 32_768


class ParquetFile:
    """Collects tables in row groups and appears at `into` when the `with` block ends well; else nothing stays.

    Later tables may have more columns: the rows before them get nulls there. What is written so far is then kept as a
    part, and the parts are brought together at the end, a row group at a time.
    """

    def __init__(self, into: Path) -> None:
        self._into = into
        self._parts: list[Path] = []
        self._writer: _Writer | None = None
        self._schema: pa.Schema | None = None
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        # Encoding takes as long as parsing, and holds no lock: one row group is written while the next is parsed.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parquet")
        self._writing: Future[None] | None = None

    def write(self, rows: pa.Table) -> None:
        if rows.schema != self._schema:
            self._close_part()
            self._schema = rows.schema
        self._waiting.append(rows)
        self._waiting_bytes += rows.nbytes
        if self._waiting_bytes >= ROW_GROUP_BYTES:
            self._write_row_group()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close_part()
            if kind is None and self._parts:
                self._whole().replace(self._into)
        finally:
            self._thread.shutdown()
            for part in self._parts:
                part.unlink(missing_ok=True)

    def _write_row_group(self) -> None:
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting)
        if self._writer is None:
            self._parts.append(self._into.with_name(f".{self._into.name}.{len(self._parts)}.tmp"))
            self._writer = _Writer(self._parts[-1], rows.schema, returning=_returning(rows))
        self._finish_writing()
        self._writing = self._thread.submit(self._writer.write, rows)
        self._waiting, self._waiting_bytes = [], 0

    def _finish_writing(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _close_part(self) -> None:
        self._write_row_group()
        self._finish_writing()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _whole(self) -> Path:
        """The last part's schema has every column."""
        if len(self._parts) == 1:
            return self._parts[0]
        *parts, whole = *self._parts, self._into.with_name(f".{self._into.name}.tmp")
        self._parts.append(whole)
        schema = parquet.read_schema(parts[-1])
        writer = _Writer(whole, schema, returning=None)
        try:
            for part in parts:
                for rows in parquet.ParquetFile(part).iter_batches():
                    writer.write(_widened(pa.Table.from_batches([rows]), schema))
        finally:
            writer.close()
        return whole


class _Writer:
    """One Parquet file. What was delivered as text has no bounds there, but the nulls of each column are told.

    Texts that are numbers and dates have no bounds worth the time. Without Arrow's own schema, text that was held once
    in memory is text like any other in the file.
    """

    def __init__(self, file: Path, schema: pa.Schema, *, returning: list[str] | None) -> None:
        bounded: Any = [field.name for field in schema if _has_bounds(field)]
        self._nulls: Counter[str] = Counter()
        self._file = parquet.ParquetWriter(
            file,
            schema,
            store_schema=False,
            use_dictionary=True if returning is None else returning,  # type: ignore[arg-type]  # the stubs know no list
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
            write_statistics=bounded,
        )

    def write(self, rows: pa.Table) -> None:
        self._file.write_table(rows)
        told = {field.name: rows[field.name].null_count for field in rows.schema if not pa.types.is_nested(field.type)}
        self._nulls.update(told)

    def close(self) -> None:
        # Airflow reads what sources there are, without an engine.
        from lakelib.engine.staged_files import NULL_COUNTS

        self._file.add_key_value_metadata({NULL_COUNTS: json.dumps(self._nulls)})
        self._file.close()


def _has_bounds(field: "pa.Field[Any]") -> bool:
    """Statistics do not tell of NaN, so there are none of floats (`engine.staged_files.parquet_options`)."""
    is_delivered_text = pa.types.is_string(field.type) and field.name not in PLATFORM_COLUMNS
    return not (is_delivered_text or pa.types.is_floating(field.type))


def _returning(rows: pa.Table) -> list[str] | None:
    """The columns that a dictionary makes smaller; where it grows too large, it was made for nothing.

    None where any may be: what is nested has no name that pyarrow takes here.
    """
    if any(pa.types.is_nested(field.type) for field in rows.schema):
        return None
    return [name for name in rows.column_names if _fits_a_dictionary(rows[name])]


def _fits_a_dictionary(values: "pa.ChunkedArray[Any]") -> bool:
    """What is told by the first rows mostly, where values seldom return."""
    return all(pc.unique(some).nbytes <= _DICTIONARY_BYTES for some in (values[:_FIRST_ROWS], values))


def _widened(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), rows], promote_options="default").select(schema.names)
