"""The rows that a first contract is inferred from: of a file as ingest reads it, or of a table."""

import gzip
import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from lakelib import ingest
from lakelib.errors import DataError, UsageError
from lakelib.tables.reading import read

__all__ = ["sample", "source_of"]

_MOST_ROWS: Final = 1_000_000
_DELIMITERS: Final = (",", ";", "\t", "|")
_SQLITE: Final = (".sqlite", ".sqlite3", ".db")
_PEEKED_BYTES: Final = 65_536


def sample(origin: str) -> pa.Table:
    """The first million rows of `origin`: a table's name (silver.flights), or a file's path.

    A SQLite file of several tables is followed by the table's name: planes.sqlite#planes.

    A file is read as `tables.load` would read it: text formats give columns of text under the names that a table
    stores, and the platform's columns, `_corrupt_record` among them.

    Raises:
        TableNotFoundError: nothing has been written there yet.
        UsageError: no file there, or of a format that its name does not tell.
        DataError: the file can't be read as what it is named.
    """
    if _is_table(origin):
        return read(origin).limit(_MOST_ROWS).toArrow()
    path = Path(origin.partition("#")[0])
    if not path.is_file():
        raise UsageError(
            f"Rows of {origin} were asked for; there is no such file.",
            hint="Give a file's path, or a table of the lake as layer.table.",
        )
    with tempfile.TemporaryDirectory() as folder:
        return _parsed(path, source_of(origin), into=Path(folder) / "sample.parquet")


def source_of(origin: str) -> ingest.Source:
    """The source whose one delivery is the file, by the ending of its name; a CSV's delimiter by its head.

    Raises:
        UsageError: the name ends in nothing that ingest reads without being told more.
    """
    path = Path(origin.partition("#")[0])
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in (*_SOURCES, *_SQLITE):
        raise UsageError(
            f"Rows of {path} were asked for; its name does not tell its format.",
            hint=f"Endings are {', '.join((*_SOURCES, *_SQLITE))}, each also with .gz.",
        )
    if ending in _SQLITE:
        return ingest.sqlite(path.name, table=origin.partition("#")[2] or _only_table(path))
    return _SOURCES[ending](path)


def _is_table(origin: str) -> bool:
    return re.fullmatch(r"(bronze|silver|gold|quarantine)\.\w+", origin) is not None and not Path(origin).exists()


def _parsed(path: Path, source: ingest.Source, *, into: Path) -> pa.Table:
    parsed = ingest.parse(
        _delivery(path),
        source=source,
        expected=ingest.Expected(),
        ingested_at=datetime.now(UTC),
        run_id="",
        into=into,
    )
    if parsed.rows == parsed.corrupt_rows:
        raise DataError(f"Rows of {path} were asked for; none of its {parsed.rows} records reads as one.")
    return pq.read_table(into).slice(0, _MOST_ROWS)


def _delivery(path: Path) -> ingest.Delivery:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ingest.Delivery(UPath(path), path.name, None, path.stat().st_size, sha256)


def _only_table(path: Path) -> str:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        ]
    if len(names) != 1:
        raise UsageError(
            f"Rows of {path} were asked for; it has the tables {', '.join(names) or '(none)'}.",
            hint=f"Say which: {path}#{names[0] if names else 'table'}.",
        )
    return str(names[0])


def _csv(path: Path) -> ingest.Source:
    return ingest.csv(path.name, delimiter=_delimiter(path))


def _delimiter(path: Path) -> str:
    """The character that the first line has most of."""
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
        head = file.readline(_PEEKED_BYTES).decode("utf-8", errors="replace")
    return max(_DELIMITERS, key=head.count)


_SOURCES: Final[Mapping[str, Callable[[Path], ingest.Source]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".txt": _csv,
    ".json": lambda path: ingest.json(path.name),
    ".jsonl": lambda path: ingest.jsonl(path.name),
    ".ndjson": lambda path: ingest.jsonl(path.name),
    ".parquet": lambda path: ingest.parquet(path.name),
}
