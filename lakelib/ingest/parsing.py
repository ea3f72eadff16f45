"""A delivery in, one Parquet file out."""

import hashlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import compute as pc

from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.columns import PLATFORM_COLUMNS, Columns, Expected
from lakelib.ingest.content_hash import ContentHash
from lakelib.ingest.csv_records import csv_tables
from lakelib.ingest.deliveries import Delivery
from lakelib.ingest.formats import numbered_tables
from lakelib.ingest.json_records import json_line_records, json_records
from lakelib.ingest.parquet_file import ParquetFile
from lakelib.ingest.promised_types import Values, arrow_type, as_promised, nulls
from lakelib.ingest.read_ahead import read_ahead
from lakelib.ingest.records import CORRUPT, NUMBER, in_tables
from lakelib.ingest.sources import CsvFormat, Format, JsonFormat, JsonLinesFormat, Source, XmlFormat
from lakelib.ingest.sqlite_tables import SqliteFormat, check_closed
from lakelib.ingest.streams import text_blocks, unpacked_contents, unpacked_file
from lakelib.ingest.xml_records import xml_records

__all__ = ["Parsed", "parse"]

Stamps: TypeAlias = "Mapping[str, pa.Scalar[Any]]"


@dataclass(frozen=True)
class Parsed:
    """`columns` are the source's, in the file's order; `drift` those of them that nobody expected.

    `delivered` are the columns that were there. `content_hash` proves the rows (ContentHash); `schema_fingerprint` is
    the same for deliveries whose columns have the same names and types, in whatever order.
    """

    rows: int
    corrupt_rows: int
    columns: tuple[str, ...]
    drift: tuple[str, ...]
    delivered: tuple[str, ...] = field(default=(), compare=False)
    content_hash: str = field(default="", compare=False)
    schema_fingerprint: str = field(default="", compare=False)


class _Shape:
    """The columns of the Parquet file, each with one type from its first row to its last."""

    def __init__(self, columns: Columns, types: Mapping[str, pa.DataType]) -> None:
        self.columns = columns
        self._types = dict(types)

    def column(self, table: pa.Table, name: str) -> Values:
        if name not in table.column_names:
            return nulls(table.num_rows, self._types.get(name, pa.string()))
        values = as_promised(table[name], self._types.get(name), name=name)
        self._types.setdefault(name, values.type)
        return values

    @property
    def fingerprint(self) -> str:
        told = sorted(f"{name} {self._types.get(name, pa.string())}" for name in self.columns.delivered)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def parse(
    delivery: Delivery,
    *,
    source: Source,
    expected: Expected,
    ingested_at: datetime,
    run_id: str,
    into: Path,
    most_unpacked_bytes: int | None = None,
) -> Parsed:
    """Copies a delivery, in one pass and bounded memory, to a Parquet file at `into`, whose folder exists.

    Columns: the source's, required, optional (null where not delivered), then unexpected ones; they are nullable text,
    or, where the format has types, what `expected.types` promises (`{"seats": "int"}`), else what was delivered;
    `_corrupt_record`, `_source_file`, `_source_row` (the record's number from 1, a header not counted),
    `_source_sha256`, `_delivered_on`, `_ingested_at` (an aware `ingested_at`), `_run_id`. Names are stored with `_` for
    the characters that Delta can't hold, and matched so; a column may be delivered under a former name
    (`{"tail_number": "tailnum"}`). A record that does not parse in its place is a row whose
    source columns are null and whose `_corrupt_record` is `CODE: what is wrong | the record`.

    Values are exact: digits, white space and line breaks as delivered; JSON booleans are true and false. The file
    appears whole or, when the delivery is refused, not at all. An archive may have `most_unpacked_bytes` in it.

    Raises:
        DeliveryRefusedError: nothing is loaded; `reason` is EMPTY_FILE, CORRUPT_GZIP, CORRUPT_ZIP, ARCHIVE_PATH,
            ARCHIVE_EMPTY, ARCHIVE_TOO_LARGE, ENCODING, CHANGED, IN_USE, DELIMITER, CSV_SYNTAX, JSON_SYNTAX,
            JSON_PATH, XML_SYNTAX, XML_ENTITY, SCHEMA_MISSING_COLUMN, SCHEMA_DUPLICATE_COLUMN, SCHEMA_RESERVED_COLUMN,
            SCHEMA_TOO_WIDE, SCHEMA_TYPE, or a reason of the format. NO_ROWS has the verdict held.
    """
    columns = Columns(expected)
    shape = _Shape(columns, {name: arrow_type(kind) for name, kind in expected.types.items()})
    stamps = _stamps(delivery, ingested_at, run_id)
    contents = unpacked_contents(delivery, ending=source.ending, most_bytes=most_unpacked_bytes)
    try:
        if isinstance(source.format, SqliteFormat):
            check_closed(delivery.path)
        # Most of the work holds no lock: tables are parsed while those before are hashed and written.
        with read_ahead(_stamped(_tables(contents, source.format, columns, beside=into), shape, stamps)) as tables:
            return _copy(tables, shape, into=into)
    except DeliveryRefusedError as error:
        raise DeliveryRefusedError(
            f"{delivery.name} is {error.verdict} ({error.reason}): {error.message}.",
            hint=error.hint,
            reason=error.reason,
            verdict=error.verdict,
        ) from error.__cause__


def _stamps(delivery: Delivery, ingested_at: datetime, run_id: str) -> Stamps:
    return {
        "_source_file": pa.scalar(delivery.name, pa.string()),
        "_source_sha256": pa.scalar(delivery.sha256, pa.string()),
        "_delivered_on": pa.scalar(delivery.delivered_on, pa.date32()),
        "_ingested_at": pa.scalar(ingested_at, pa.timestamp("us", tz="UTC")),
        "_run_id": pa.scalar(run_id, pa.string()),
    }


def _stamped(tables: Generator[pa.Table, None, None], shape: _Shape, stamps: Stamps) -> Generator[pa.Table, None, None]:
    with closing(tables):
        for table in tables:
            yield _with_provenance(table, shape, stamps=stamps)


def _copy(tables: Iterator[pa.Table], shape: _Shape, *, into: Path) -> Parsed:
    rows = corrupt_rows = 0
    columns, content = shape.columns, ContentHash()
    with ParquetFile(into) as file:
        for table in tables:
            rows += table.num_rows
            corrupt_rows += table.num_rows - table[CORRUPT].null_count
            content.update(table)
            file.write(table)
        _check_rows(rows, columns=columns)
    return Parsed(
        rows,
        corrupt_rows,
        columns.names,
        columns.drift,
        delivered=columns.delivered,
        content_hash=content.hexdigest(),
        schema_fingerprint=shape.fingerprint,
    )


def _tables(
    contents: Iterator[Iterator[bytes]], source_format: Format, columns: Columns, *, beside: Path
) -> Generator[pa.Table, None, None]:
    """The rows of all files in the delivery, counted on from one file to the next."""
    before = 0
    for blocks in contents:
        number = before
        for table in _content_tables(blocks, source_format, columns, beside=beside):
            before += table.num_rows
            yield _counted_on(table, number)


def _content_tables(
    blocks: Iterator[bytes], source_format: Format, columns: Columns, *, beside: Path
) -> Iterator[pa.Table]:
    match source_format:
        case CsvFormat(encoding=encoding):
            yield from csv_tables(text_blocks(blocks, encoding=encoding), csv_format=source_format, columns=columns)
        case JsonFormat(path=path, encoding=encoding):
            yield from in_tables(json_records(text_blocks(blocks, encoding=encoding), path=path), columns)
        case JsonLinesFormat(encoding=encoding):
            yield from in_tables(json_line_records(text_blocks(blocks, encoding=encoding)), columns)
        case XmlFormat(row=row):
            yield from in_tables(xml_records(blocks, row=row), columns)
        case _:
            with unpacked_file(blocks, beside=beside) as file:
                yield from numbered_tables(source_format.read(file), columns)


def _counted_on(table: pa.Table, before: int) -> pa.Table:
    if not before:
        return table
    numbers = pc.add(table[NUMBER], pa.scalar(before, pa.int64()))
    return table.set_column(table.column_names.index(NUMBER), NUMBER, numbers)


def _check_rows(rows: int, *, columns: Columns) -> None:
    if rows == 0:
        raise DeliveryRefusedError(
            "rows were expected; there is none",
            hint="Deliver a complete file; if there is nothing to deliver, move this one out of landing.",
            reason="NO_ROWS",
            verdict="held",
        )
    if not columns.is_any_delivered:
        raise DeliveryRefusedError(
            f"JSON objects were expected; none of the {rows} records is one",
            hint="ingest.json reads one document, ingest.jsonl one object a line.",
            reason="JSON_SYNTAX",
        )
    columns.check_required(columns.delivered)


def _with_provenance(table: pa.Table, shape: _Shape, *, stamps: Stamps) -> pa.Table:
    rows, names = table.num_rows, shape.columns.names
    platform: dict[str, Values | pa.Array[Any]] = {CORRUPT: table[CORRUPT], NUMBER: table[NUMBER]}
    platform |= {name: _repeated(stamp, rows) for name, stamp in stamps.items()}
    return pa.Table.from_arrays(
        [*(shape.column(table, name) for name in names), *(platform[name] for name in PLATFORM_COLUMNS)],
        names=[*names, *PLATFORM_COLUMNS],
    )


def _repeated(stamp: "pa.Scalar[Any]", rows: int) -> "pa.Array[Any]":
    """A text is held once, not in each row."""
    if stamp.type == pa.string():
        once: pa.Array[Any] = pa.array([stamp.as_py()], stamp.type)
        return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), rows), once)
    return pa.repeat(stamp, rows)  # type: ignore[call-overload, no-any-return]  # the stubs list each type by name
