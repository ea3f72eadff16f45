"""What is delivered: a pattern of file names below the landing folder, and the format of the files."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Self

from upath import UPath

from lakelib.errors import UsageError
from lakelib.ingest.api import Api, Credentials
from lakelib.ingest.database import Database
from lakelib.ingest.fetchers import Fetcher
from lakelib.ingest.formats import FileFormat
from lakelib.ingest.pagination import Pagination, Parameters, SinglePage
from lakelib.ingest.parquet_tables import ParquetFormat
from lakelib.ingest.patience import Patience
from lakelib.ingest.patterns import check_pattern, ending_of, folder_of, is_dated
from lakelib.ingest.sqlite_tables import SqliteFormat

__all__ = [
    "CsvFormat",
    "Format",
    "JsonFormat",
    "JsonLinesFormat",
    "Source",
    "XmlFormat",
    "api",
    "csv",
    "database",
    "json",
    "jsonl",
    "parquet",
    "sqlite",
    "xml",
]


@dataclass(frozen=True)
class CsvFormat:
    """`quote`, `escape` and `comment` may be empty: then no character is one. `header` is for files without one."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header: tuple[str, ...] = ()
    skip_lines: int = 0
    escape: str = ""
    comment: str = ""

    def __post_init__(self) -> None:
        if self.skip_lines < 0:
            raise UsageError(f"{self.skip_lines} lines were to be skipped.", hint="Give a number from 0.")
        special = {name: getattr(self, name) for name in ("delimiter", "quote", "escape", "comment")}
        told = {name: value for name, value in special.items() if value or name == "delimiter"}
        for name, value in told.items():
            if len(value) != 1 or not value.isascii() or value in "\r\n\0":
                raise UsageError(
                    f"The {name} {value!r} was asked for; it must be one ASCII character.",
                    hint='A tab is written "\\t".',
                )
        if len({*told.values()}) < len(told):
            raise UsageError(
                f"One character was asked for as two of {', '.join(told)}: {' '.join(told.values())}",
                hint="Give them different characters.",
            )
        _check_encoding(self.encoding)


@dataclass(frozen=True)
class JsonFormat:
    """`path` leads to the array of rows: keys joined by dots; empty when the document itself is the array."""

    path: str = ""
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        _check_encoding(self.encoding)


@dataclass(frozen=True)
class JsonLinesFormat:
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        _check_encoding(self.encoding)


@dataclass(frozen=True)
class XmlFormat:
    """The encoding is what the document's own declaration says."""

    row: str


Format = CsvFormat | JsonFormat | JsonLinesFormat | XmlFormat | FileFormat


@dataclass(frozen=True)
class Source:
    """`pattern` is relative to the landing folder: folders, then a file name.

    In the name, `*` stands for any characters, and `{date}` for the delivery date (2013-01-31, or as `{date:%Y%m%d}`
    says); without it the files are undated and belong to every interval. The folder is searched with all folders below
    it. Each file may be packed, with `.gz` or `.zip` after its name. A `fetcher` puts the deliveries there.
    """

    pattern: str
    format: Format
    fetcher: Fetcher | None = None

    def __post_init__(self) -> None:
        check_pattern(self.pattern)
        if self.fetcher is not None and ("*" in self.pattern or not is_dated(self.pattern)):
            raise UsageError(
                f"Fetched deliveries were asked for as {self.pattern!r}; each needs one name, with its date.",
                hint="An example is crm/customers_{date}.parquet.",
            )

    def fetched_by(self, fetcher: Fetcher) -> Self:
        """The same files, put into landing by the fetcher."""
        return replace(self, fetcher=fetcher)

    @property
    def folder(self) -> str:
        return folder_of(self.pattern)

    def folder_in(self, landing: UPath) -> UPath:
        return landing.joinpath(*PurePosixPath(self.folder).parts)  # to a store in a cloud, a dot is a name

    @property
    def ending(self) -> str:
        """How the names of the files in an archive end: as the pattern does, without `.gz` and `.zip`."""
        return ending_of(self.pattern)


def csv(
    pattern: str,
    *,
    delimiter: str = ",",
    quote: str = '"',
    encoding: str = "utf-8",
    header: Sequence[str] = (),
    skip_lines: int = 0,
    escape: str = "",
    comment: str = "",
) -> Source:
    """Delimited text. An unquoted empty field is null, a quoted one is the empty text.

    `header` names the columns of files that have no header; `skip_lines` are the lines above header or rows. An
    `escape` (a backslash, say) makes an ordinary character of a quote, a delimiter, a line end or itself; with N, alone
    in a field, it is null. Lines that begin with `comment` are no records, except inside of a quoted field.
    """
    return Source(pattern, CsvFormat(delimiter, quote, encoding, tuple(header), skip_lines, escape, comment))


def json(pattern: str, *, path: str = "", encoding: str = "utf-8") -> Source:
    """One JSON document a file: an array of objects, or one object; `path` (`response.items`) leads to it."""
    return Source(pattern, JsonFormat(path, encoding))


def jsonl(pattern: str, *, encoding: str = "utf-8") -> Source:
    """One JSON object a line; blank lines are no records."""
    return Source(pattern, JsonLinesFormat(encoding))


def xml(pattern: str, *, row: str) -> Source:
    """Each element named `row`, anywhere and in any namespace, is a row.

    Its attributes and its child elements are the columns. A child of plain text gives its text, an empty one null; a
    child with attributes or elements of its own, and one that occurs again, gives its XML. Text directly in the row's
    element gives a column named as the row.
    """
    return Source(pattern, XmlFormat(row))


def parquet(pattern: str) -> Source:
    """Parquet files. Columns keep their types: the contract promises them, or wider ones."""
    return Source(pattern, ParquetFormat())


def sqlite(pattern: str, *, table: str) -> Source:
    """One table of a SQLite file. INTEGER is bigint, REAL double, TEXT string, BLOB binary.

    A value of another type than its column declares makes the row a corrupt record.
    """
    return Source(pattern, SqliteFormat(table))


def database(
    pattern: str,
    *,
    url: str,
    table: str = "",
    query: str = "",
    watermark: str = "",
    lookback: timedelta | int = 0,
) -> Source:
    """A table, or what a query gives, of PostgreSQL or SQLite, fetched as Parquet files into landing.

    `url`: a secret reference (`env:CRM_URL`) to `postgresql://…`, or an address without a password. Each run takes a
    full snapshot, dated as the last day of its interval, in one read-only transaction. With a `watermark`, a column
    that only grows, a run after the first takes the rows from the newest value fetched before on, and delivers nothing
    when there is none; with a `lookback` it begins as much before that value, for rows that were committed late. A
    query with `{date}` in it (and `{next_date}`, the day after) is asked for each day of the
    interval. What is in landing is not fetched again.
    """
    return Source(pattern, ParquetFormat(), Database(url, table, query, watermark, lookback))


def api(
    pattern: str,
    *,
    url: str,
    records: str = "",
    pages: Pagination | None = None,
    parameters: Parameters | None = None,
    credentials: Credentials | None = None,
    most_per_second: float = 0,
) -> Source:
    """JSON over HTTP, fetched as zip archives into landing, each page a file as it came.

    `records` leads to a page's records (`data.items`); `pages` is a ByPage, ByCursor or ByLink. Where `url` or
    `parameters` hold `{date}` (or `{next_date}`, the day after), the API is asked for each day of the interval, else
    once for its last day. What is in landing is not fetched again, and a run that failed in page N is gone on with
    there.
    """
    if not pattern.endswith(".zip"):
        raise UsageError(
            f"Pages of an API were asked for as {pattern!r}; they are kept in an archive.",
            hint="End the pattern with .zip: shop/orders_{date}.zip.",
        )
    patience = Patience(least_seconds_between=1 / most_per_second if most_per_second else 0)
    fetcher = Api(url, records, pages or SinglePage(), parameters or {}, credentials or Credentials(), patience)
    return Source(pattern, JsonFormat(records), fetcher)


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except LookupError as error:
        raise UsageError(
            f"The encoding {encoding!r} was asked for; Python knows no text encoding of that name.",
            hint="Examples are utf-8, latin-1, cp1252 and utf-16.",
        ) from error
