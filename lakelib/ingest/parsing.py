"""A delivery in, one Parquet file of text columns out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.columns import PLATFORM_COLUMNS, Columns
from lakelib.ingest.csv_records import csv_tables
from lakelib.ingest.deliveries import Delivery
from lakelib.ingest.json_records import json_line_records, json_records
from lakelib.ingest.parquet_file import ParquetFile
from lakelib.ingest.records import CORRUPT, NUMBER, Texts, in_tables
from lakelib.ingest.sources import CsvFormat, Format, JsonFormat, JsonLinesFormat, Source, XmlFormat
from lakelib.ingest.streams import text_blocks, unpacked_blocks
from lakelib.ingest.xml_records import xml_records

__all__ = ["Parsed", "parse"]

Stamps: TypeAlias = "Mapping[str, pa.Scalar[Any]]"


@dataclass(frozen=True)
class Parsed:
    """`columns` are the source's, in the file's order; `drift` those of them that nobody expected."""

    rows: int
    corrupt_rows: int
    columns: tuple[str, ...]
    drift: tuple[str, ...]


def parse(
    delivery: Delivery,
    *,
    source: Source,
    required: Sequence[str],
    optional: Sequence[str],
    ingested_at: datetime,
    run_id: str,
    into: Path,
) -> Parsed:
    """Copies a delivery, in one pass and bounded memory, to a Parquet file at `into`, whose folder exists.

    Columns: the source's as nullable text, required, optional (null where not delivered), then unexpected ones;
    `_corrupt_record`, `_source_file`, `_source_row` (the record's number from 1, a header not counted),
    `_source_sha256`, `_delivered_on`, `_ingested_at` (an aware `ingested_at`), `_run_id`. Names are stored with `_` for
    the characters that Delta can't hold, and matched so. A record that does not parse in its place is a row whose
    source columns are null and whose `_corrupt_record` is `CODE: what is wrong | the record`.

    Values are exact: digits, white space and line breaks as delivered; JSON booleans are true and false. The file
    appears whole or, when the delivery is refused, not at all.

    Raises:
        DeliveryRefusedError: nothing is loaded; `reason` is EMPTY_FILE, CORRUPT_GZIP, ENCODING, CHANGED, DELIMITER,
            CSV_SYNTAX, JSON_SYNTAX, JSON_PATH, XML_SYNTAX, XML_ENTITY, SCHEMA_MISSING_COLUMN,
            SCHEMA_DUPLICATE_COLUMN, SCHEMA_RESERVED_COLUMN or SCHEMA_TOO_WIDE; or NO_ROWS, with the verdict held.
    """
    columns = Columns(required=required, optional=optional)
    try:
        return _copy(delivery, source.format, columns, stamps=_stamps(delivery, ingested_at, run_id), into=into)
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


def _copy(delivery: Delivery, source_format: Format, columns: Columns, *, stamps: Stamps, into: Path) -> Parsed:
    rows = corrupt_rows = 0
    with ParquetFile(into) as file:
        for table in _tables(delivery, source_format, columns):
            rows += table.num_rows
            corrupt_rows += table.num_rows - table[CORRUPT].null_count
            file.write(_with_provenance(table, columns=columns, stamps=stamps))
        _check_rows(rows, columns=columns)
    return Parsed(rows, corrupt_rows, columns.names, columns.drift)


def _tables(delivery: Delivery, source_format: Format, columns: Columns) -> Iterator[pa.Table]:
    blocks = unpacked_blocks(delivery)
    match source_format:
        case CsvFormat(encoding=encoding):
            return csv_tables(text_blocks(blocks, encoding=encoding), csv_format=source_format, columns=columns)
        case JsonFormat(path=path, encoding=encoding):
            return in_tables(json_records(text_blocks(blocks, encoding=encoding), path=path), columns)
        case JsonLinesFormat(encoding=encoding):
            return in_tables(json_line_records(text_blocks(blocks, encoding=encoding)), columns)
        case XmlFormat(row=row):
            return in_tables(xml_records(blocks, row=row), columns)


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
    columns.check_required()


def _with_provenance(table: pa.Table, *, columns: Columns, stamps: Stamps) -> pa.Table:
    rows = table.num_rows
    delivered = set(table.column_names)
    source = [table[name] if name in delivered else pa.nulls(rows, pa.string()) for name in columns.names]
    platform: dict[str, Texts | pa.Array[Any]] = {CORRUPT: table[CORRUPT], NUMBER: table[NUMBER]}
    platform |= {name: _repeated(stamp, rows) for name, stamp in stamps.items()}
    return pa.Table.from_arrays(
        [*source, *(platform[name] for name in PLATFORM_COLUMNS)], names=[*columns.names, *PLATFORM_COLUMNS]
    )


def _repeated(stamp: "pa.Scalar[Any]", rows: int) -> "pa.Array[Any]":
    """A text is held once, not in each row."""
    repeated: pa.Array[Any] = pa.array([stamp.as_py()], stamp.type)
    if stamp.type == pa.string():
        return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), rows), repeated)
    return repeated.take(pa.repeat(pa.scalar(0, pa.int8()), rows))
