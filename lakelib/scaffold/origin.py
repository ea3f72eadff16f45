"""Where a bronze table's rows come from: files below landing, or a database."""

import json
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from upath import UPath

from lakelib import context, ingest
from lakelib.errors import UsageError
from lakelib.ingest.deliveries import dated_files
from lakelib.ingest.fetchers import Request
from lakelib.ingest.sources import CsvFormat
from lakelib.ingest.sqlite_tables import SqliteFormat
from lakelib.settings import SECRET_PREFIXES
from lakelib.tables.sampling import sample, source_of

__all__ = ["Origin", "find_origin"]

_SAMPLED_ROWS: Final = 100_000
_DATES: Final = {
    r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)": ("%Y-%m-%d", "{date}"),
    r"(?<!\d)\d{8}(?!\d)": ("%Y%m%d", "{date:%Y%m%d}"),
}


@dataclass(frozen=True)
class Origin:
    """`code` is the source as a notebook says it; `first` and `last` are the days that there are deliveries of."""

    code: str
    rows: pa.Table
    first: date
    last: date


def find_origin(text: str, *, table: str) -> Origin:
    """The origin that a person named, with some of its rows.

    Raises:
        UsageError: no file or folder of files below landing, and no table of a database.
        DataError: its rows can't be read.
    """
    if "://" in text or text.startswith(SECRET_PREFIXES):
        return _of_database(text, table=table)
    return _of_files(text)


def _of_database(text: str, *, table: str) -> Origin:
    url, _, name = text.rpartition("/")
    pattern = f"{table}/{table}_{{date}}.parquet"
    today = datetime.now(UTC).date()
    fetcher = ingest.database(pattern, url=url, query=f"SELECT * FROM {name} LIMIT {_SAMPLED_ROWS}").fetcher
    assert fetcher is not None  # a database has one
    with tempfile.TemporaryDirectory() as folder:
        file = UPath(folder) / "sample.parquet"
        fetcher.fetch(Request(today, into=file, workspace=UPath(folder) / "pages", previous=None))
        rows = sample(str(file))
    code = _call("database", pattern, url=url, table=name)
    return Origin(code, rows, first=today, last=today)


def _of_files(text: str) -> Origin:
    named, _, inside = text.partition("#")
    file = _newest(Path(named))
    place = f"{file}#{inside}" if inside else str(file)
    landing = context.current().settings.landing_path
    pattern = _pattern(file, Path(str(landing)))
    source = source_of(place)
    days = [day for day, _ in dated_files(ingest.csv(pattern), landing=landing)] or [datetime.now(UTC).date()]
    return Origin(_code(source, pattern), sample(place), first=min(days), last=max(days))


def _newest(path: Path) -> Path:
    """The file itself; of a folder, the last one by name."""
    if path.is_file():
        return path
    names = sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith((".", "_")))
    if not names:
        raise UsageError(
            f"A table was to be made from {path}; there is no such file, and no folder with files.",
            hint="Give a file or folder below landing, or <address of a database>/<table>.",
        )
    return names[-1]


def _pattern(file: Path, landing: Path) -> str:
    """The file's path below landing, with its date left open."""
    try:
        below = file.resolve().relative_to(landing.resolve())
    except ValueError as error:
        raise UsageError(
            f"A table was to be made from {file}; deliveries are files below {landing}.",
            hint=f"Lay it there: mkdir -p {landing}/{file.parent.name} && cp {file} {landing}/{file.parent.name}/",
        ) from error
    name = below.name.removesuffix(".gz")
    for digits, (written, stands_for) in _DATES.items():
        if (match := re.search(digits, name)) and _is_date(match[0], written):
            return below.with_name(name[: match.start()] + stands_for + name[match.end() :]).as_posix()
    return below.with_name(name).as_posix()


def _is_date(text: str, written: str) -> bool:
    try:
        datetime.strptime(text, written).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _code(source: ingest.Source, pattern: str) -> str:
    match source.format:
        case CsvFormat(delimiter=delimiter):
            return _call("csv", pattern, **({} if delimiter == "," else {"delimiter": delimiter}))
        case SqliteFormat(table=table):
            return _call("sqlite", pattern, table=table)
        case other:
            return _call(_VERBS[type(other).__name__], pattern)


_VERBS: Final = {"JsonFormat": "json", "JsonLinesFormat": "jsonl", "ParquetFormat": "parquet"}


def _call(verb: str, pattern: str, **options: Any) -> str:
    arguments = [json.dumps(pattern), *(f"{name}={json.dumps(value)}" for name, value in options.items())]
    return f"ingest.{verb}({', '.join(arguments)})"
