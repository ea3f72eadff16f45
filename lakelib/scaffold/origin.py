"""Where a bronze table's rows come from: files below landing, or a database."""

import json
import re
import tempfile
from collections.abc import Iterator
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
from lakelib.ingest.sources import CsvFormat, JsonFormat, XmlFormat
from lakelib.ingest.sqlite_tables import SqliteFormat
from lakelib.secrets import is_reference
from lakelib.tables.sampling import column_names, sample, source_of

__all__ = ["Origin", "find_origin"]

_SAMPLED_ROWS: Final = 100_000
_DATES: Final = ("%Y-%m-%d", "%Y%m%d", "%Y_%m_%d", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y-%m")
_DIGITS: Final = {"%Y": r"\d{4}", "%m": r"\d{2}", "%d": r"\d{2}"}


@dataclass(frozen=True)
class Origin:
    """`code` is the source as a notebook says it; `first` and `last` are the days that there are deliveries of.

    `others` are the names of the columns in deliveries that have others than `rows`.
    """

    code: str
    rows: pa.Table
    first: date
    last: date
    others: frozenset[frozenset[str]] = frozenset()


def find_origin(text: str, *, table: str) -> Origin:
    """The origin that a person named, with some of its rows.

    Raises:
        UsageError: no file or folder of files below landing, and no table of a database.
        DataError: its rows can't be read.
    """
    if "://" in text or is_reference(text):
        return _of_database(text, table=table)
    return _of_files(text)


def _of_database(text: str, *, table: str) -> Origin:
    url, _, name = text.rpartition("/")
    pattern = f"{table}/{table}_{{date}}.parquet"
    today = datetime.now(UTC).date()
    quoted = ".".join(f'"{part}"' for part in name.split("."))
    fetcher = ingest.database(pattern, url=url, query=f"SELECT * FROM {quoted} LIMIT {_SAMPLED_ROWS}").fetcher
    assert fetcher is not None  # a database has one
    with tempfile.TemporaryDirectory() as folder:
        file = UPath(folder) / "sample.parquet"
        fetcher.fetch(Request(today, into=file, workspace=UPath(folder) / "pages", previous=None))
        rows = sample(str(file))
    code = _call("database", pattern, url=url, table=name)
    return Origin(code, rows, first=today, last=today)


def _of_files(text: str) -> Origin:
    path, _, inside = text.partition("#")
    landing = context.current().settings.landing_path
    named = Path(path) if Path(path).exists() else Path(str(landing)) / path
    file = _last(named)
    pattern, dated = _dated_pattern(_below(file, Path(str(landing))), landing)
    if dated and not named.is_file():
        file = Path(str(dated[-1][1]))
    place = f"{file}#{inside}" if inside else str(file)
    days = [day for day, _ in dated] or [datetime.now(UTC).date()]
    source, rows = source_of(place), sample(place)
    # A CSV file says its columns in its first line; of what has to be read whole, the oldest one is.
    looked_at = [str(path) for _, path in dated[: None if isinstance(source.format, CsvFormat) else 1]]
    others = {column_names(f"{each}#{inside}" if inside else each, source) for each in looked_at if each != str(file)}
    return Origin(_code(source, pattern), rows, first=days[0], last=days[-1], others=frozenset(others - {frozenset()}))


def _last(path: Path) -> Path:
    """The file itself; of a folder, the last one by name."""
    if path.is_file():
        return path
    names = sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith((".", "_")))
    if not names:
        raise UsageError(
            f"A table was to be made from {path}; there is no such file, and no folder with files.",
            hint="Give a file or folder below landing, by its path from here or from there, or "
            "<address of a database>/<table>.",
        )
    return names[-1]


def _below(file: Path, landing: Path) -> Path:
    """The file's path below landing."""
    try:
        return file.resolve().relative_to(landing.resolve())
    except ValueError as error:
        raise UsageError(
            f"A table was to be made from {file}; deliveries are files below {landing}.",
            hint=f"Lay it there: mkdir -p {landing}/{file.parent.name} && cp {file} {landing}/{file.parent.name}/",
        ) from error


def _dated_pattern(file: Path, landing: UPath) -> tuple[str, list[tuple[date, UPath]]]:
    """The file's name with its date left open, read in the way that dates most files; and these, the oldest first."""
    whole = file.with_name(file.name.removesuffix(".gz").removesuffix(".zip"))
    patterns = [whole.with_name(name).as_posix() for name in _dated_names(whole.name)]
    found = [(pattern, dated_files(ingest.csv(pattern), landing=landing)) for pattern in patterns]
    undated: list[tuple[date, UPath]] = []
    return max((each for each in found if each[1]), key=lambda each: len(each[1]), default=(whole.as_posix(), undated))


def _dated_names(name: str) -> Iterator[str]:
    for written in _DATES:
        digits = re.sub("%[Ymd]", lambda directive: _DIGITS[directive[0]], re.escape(written))
        if match := re.search(rf"(?<!\d){digits}(?!\d)", name):
            date_of = "{date}" if written == "%Y-%m-%d" else f"{{date:{written}}}"
            yield name[: match.start()] + date_of + name[match.end() :]


def _code(source: ingest.Source, pattern: str) -> str:
    match source.format:
        case CsvFormat(delimiter=delimiter, encoding=encoding):
            told = {"delimiter": delimiter, "encoding": encoding}
            return _call("csv", pattern, **{name: told[name] for name in told if told[name] != _USUAL[name]})
        case SqliteFormat(table=table):
            return _call("sqlite", pattern, table=table)
        case XmlFormat(row=row):
            return _call("xml", pattern, row=row)
        case JsonFormat(path=path):
            return _call("json", pattern, **({"path": path} if path else {}))
        case other:
            return _call(_VERBS[type(other).__name__], pattern)


_USUAL: Final = {"delimiter": ",", "encoding": "utf-8"}
_VERBS: Final = {"JsonLinesFormat": "jsonl", "ParquetFormat": "parquet"}


def _call(verb: str, pattern: str, **options: Any) -> str:
    arguments = [json.dumps(pattern), *(f"{name}={json.dumps(value)}" for name, value in options.items())]
    return f"ingest.{verb}({', '.join(arguments)})"
