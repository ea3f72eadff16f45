"""The rows that a first contract is inferred from: of a file as ingest reads it, or of a table."""

import csv
import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from lakelib import ingest
from lakelib.errors import DataError, DeliveryRefusedError, UsageError
from lakelib.ingest.columns import storable_name
from lakelib.ingest.patterns import ending_of
from lakelib.ingest.sources import CsvFormat
from lakelib.ingest.streams import text_blocks, unpacked_contents
from lakelib.ingest.xml_records import likeliest_row
from lakelib.tables.reading import read

__all__ = ["column_names", "sample", "source_of"]

_MOST_ROWS: Final = 1_000_000
_DELIMITERS: Final = (",", ";", "\t", "|")
_SQLITE: Final = (".sqlite", ".sqlite3", ".db")
_ENCODINGS: Final = ("utf-8", "cp1252", "latin-1")  # the last one decodes any bytes


def sample(origin: str) -> pa.Table:
    """The first million rows of `origin`: a table's name (silver.flights), or a file's path.

    What is inside of it follows a file's path: the table of a SQLite file that has several (planes.sqlite#planes),
    the path to the rows of JSON (fleet.json#data.planes), the element of XML that is a row (fleet.xml#plane), which is
    otherwise the one that is there most often.

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


def column_names(origin: str, source: ingest.Source) -> frozenset[str]:
    """Of a file of the source, the names that its columns are stored under: of CSV by its first line alone.

    Nothing where it can't be read.
    """
    try:
        if isinstance(source.format, CsvFormat):
            lines = csv.reader([_first_line(Path(origin), source.format.encoding)], delimiter=source.format.delimiter)
            return frozenset(map(storable_name, filter(None, next(lines, []))))
        return frozenset(name for name in sample(origin).column_names if not name.startswith("_"))
    except (DataError, OSError):
        return frozenset()


def source_of(origin: str) -> ingest.Source:
    """The source whose one delivery is the file, by the ending of its name, and by what is in it.

    Raises:
        UsageError: the name ends in nothing that ingest reads without being told more.
    """
    name, _, inside = origin.partition("#")
    path = Path(name)
    ending = ending_of(path.name.lower())
    if ending not in _SOURCES:
        raise UsageError(
            f"Rows of {path} were asked for; its name does not tell its format.",
            hint=f"Endings are {', '.join(_SOURCES)}, each also with .gz or .zip.",
        )
    return _SOURCES[ending](path, inside)


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
    query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            names = [name for (name,) in connection.execute(query)]
    except sqlite3.Error as error:
        raise DataError(f"Rows of {path} were asked for; SQLite can't read it: {error}.") from error
    if len(names) != 1:
        raise UsageError(
            f"Rows of {path} were asked for; it has the tables {', '.join(names) or '(none)'}.",
            hint=f"Say which: {path}#{names[0] if names else 'table'}.",
        )
    return str(names[0])


def _csv(path: Path, _: str) -> ingest.Source:
    """The encoding is the first that the whole file decodes in, the delimiter what its first line has most of."""
    heads = ((encoding, _head(path, encoding)) for encoding in _ENCODINGS)
    encoding, head = next((encoding, head) for encoding, head in heads if head is not None)
    return ingest.csv(path.name, delimiter=max(_DELIMITERS, key=head.partition("\n")[0].count), encoding=encoding)


def _head(path: Path, encoding: str) -> str | None:
    """The text's first block; None where the text does not decode. What else is wrong with it, parsing tells."""
    head = ""
    try:
        for content in unpacked_contents(_delivery(path), ending=ending_of(path.name)):
            for text in text_blocks(content, encoding=encoding):
                head = head or text
    except DeliveryRefusedError as refusal:
        return None if refusal.reason == "ENCODING" else head
    return head


def _first_line(path: Path, encoding: str) -> str:
    unread = ingest.Delivery(UPath(path), path.name, None, path.stat().st_size, "")  # its hash is compared at its end
    blocks = chain.from_iterable(unpacked_contents(unread, ending=ending_of(path.name)))
    return next(text_blocks(blocks, encoding=encoding), "").partition("\n")[0]


def _xml(path: Path, row: str) -> ingest.Source:
    return ingest.xml(path.name, row=row or _likeliest_row(path))


def _likeliest_row(path: Path) -> str:
    try:
        contents = unpacked_contents(_delivery(path), ending=ending_of(path.name))
        return max((likeliest_row(content) for content in contents), key=len)
    except DeliveryRefusedError:  # parsing tells it with its file
        return "row"


_SOURCES: Final[Mapping[str, Callable[[Path, str], ingest.Source]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".txt": _csv,
    ".json": lambda path, inside: ingest.json(path.name, path=inside),
    ".jsonl": lambda path, _: ingest.jsonl(path.name),
    ".ndjson": lambda path, _: ingest.jsonl(path.name),
    ".parquet": lambda path, _: ingest.parquet(path.name),
    ".xml": _xml,
} | dict.fromkeys(_SQLITE, lambda path, table: ingest.sqlite(path.name, table=table or _only_table(path)))
