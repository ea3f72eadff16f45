"""What is delivered: a pattern of file names below the landing folder, and the format of the files."""

import codecs
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from lakelib.errors import UsageError

__all__ = [
    "DATE",
    "CsvFormat",
    "Format",
    "JsonFormat",
    "JsonLinesFormat",
    "Source",
    "XmlFormat",
    "csv",
    "json",
    "jsonl",
    "xml",
]

DATE: Final = "{date}"


@dataclass(frozen=True)
class CsvFormat:
    """`quote` may be empty: then no character quotes."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        for name, value in {"delimiter": self.delimiter, "quote": self.quote or '"'}.items():
            if len(value) != 1 or not value.isascii() or value in "\r\n\0":
                raise UsageError(
                    f"The {name} {value!r} was asked for; it must be one ASCII character.",
                    hint='A tab is written "\\t".',
                )
        if self.delimiter == self.quote:
            raise UsageError(
                f"{self.quote!r} was asked for as delimiter and as quote.", hint="Give them two different characters."
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


Format = CsvFormat | JsonFormat | JsonLinesFormat | XmlFormat


@dataclass(frozen=True)
class Source:
    """`pattern` is relative to the landing folder: folders, then a file name.

    `{date}` in the name stands for the delivery date (2013-01-31); without it the files are undated and belong to
    every interval. The folder is searched with all folders below it. Each file may be gzip, with `.gz` after its name.
    """

    pattern: str
    format: Format

    def __post_init__(self) -> None:
        path = PurePosixPath(self.pattern)
        if not path.name or path.is_absolute() or ".." in path.parts:
            raise UsageError(
                f"The pattern {self.pattern!r} was asked for; it must name files below the landing folder.",
                hint="An example is flights/flights_{date}.csv.",
            )
        if found := re.search(r"[*?\[\]]|\{(?!date\})[^}]*\}?", self.pattern):
            raise UsageError(
                f"The pattern {self.pattern!r} has {found[0]!r} in it, which stands for nothing.",
                hint=f"{DATE} stands for the delivery date as 2013-01-31; folders are searched with all below them.",
            )
        if DATE in self.folder or self.name.count(DATE) > 1:
            raise UsageError(
                f"The pattern {self.pattern!r} has {DATE} in a folder or twice; it stands once, in the file's name.",
                hint="An example is flights/flights_{date}.csv.",
            )

    @property
    def folder(self) -> str:
        return PurePosixPath(self.pattern).parent.as_posix()

    @property
    def name(self) -> str:
        """The file's name in the pattern, without `.gz`."""
        return PurePosixPath(self.pattern).name.removesuffix(".gz")


def csv(pattern: str, *, delimiter: str = ",", quote: str = '"', encoding: str = "utf-8") -> Source:
    """Delimited text with a header. An unquoted empty field is null, a quoted one is the empty text."""
    return Source(pattern, CsvFormat(delimiter, quote, encoding))


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


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except LookupError as error:
        raise UsageError(
            f"The encoding {encoding!r} was asked for; Python knows no text encoding of that name.",
            hint="Examples are utf-8, latin-1, cp1252 and utf-16.",
        ) from error
