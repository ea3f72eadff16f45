"""Deliveries made in a folder, and what became of them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet
from upath import UPath

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError

NOW = datetime(2013, 1, 4, 5, 6, 7, 891011, tzinfo=UTC)
DAY = date(2013, 1, 3)
TODAY = datetime.now(UTC).date()


def deliver(landing: Path, content: bytes, *, name: str = "drop") -> ingest.Delivery:
    """`content` as a file that was delivered on 2013-01-03."""
    path = UPath(landing / name)
    path.write_bytes(content)
    return ingest.Delivery(path, name, DAY, len(content), hashlib.sha256(content).hexdigest())


def parse(
    delivery: ingest.Delivery,
    source: ingest.Source,
    *,
    into: Path,
    required: Sequence[str] = (),
    optional: Sequence[str] = (),
    types: Mapping[str, str] | None = None,
    former_names: Mapping[str, str] | None = None,
    most_unpacked_bytes: int | None = None,
) -> ingest.Parsed:
    return ingest.parse(
        delivery,
        source=source,
        expected=ingest.Expected(required, optional, types or {}, former_names or {}),
        ingested_at=NOW,
        run_id="run",
        into=into,
        most_unpacked_bytes=most_unpacked_bytes,
    )


def load(folder: Path, content: bytes, source: ingest.Source, *, required: Sequence[str] = ()) -> pa.Table:
    """The rows that `content` becomes."""
    name = "drop.gz" if source.pattern.endswith(".gz") else "drop"
    into = folder / "rows.parquet"
    parsed = parse(deliver(folder, content, name=name), source, into=into, required=required)
    rows = parquet.read_table(into)
    assert rows.num_rows == parsed.rows
    return rows


def outcome(folder: Path, content: bytes, source: ingest.Source) -> pa.Table | DeliveryRefusedError:
    """The rows that `content` becomes, or why it is refused."""
    try:
        return load(folder, content, source)
    except DeliveryRefusedError as refused:
        return refused


def texts(rows: pa.Table) -> list[list[str | None]]:
    """The values of the source's columns, row by row."""
    names = [name for name in rows.column_names if not name.startswith("_")]
    return [[row[name] for name in names] for row in rows.to_pylist()]
