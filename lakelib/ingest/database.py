"""Tables and queries of databases, streamed into a Parquet file."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet
from upath import UPath

from lakelib.errors import DataError, UsageError, closest
from lakelib.ingest.credentials import check_address
from lakelib.ingest.fetchers import Request
from lakelib.ingest.postgres import postgres_rows
from lakelib.ingest.sqlite_database import sqlite_rows
from lakelib.secrets import resolved

__all__ = ["Database"]

_ROW_GROUP_BYTES: Final = 32 << 20
_DATE: Final = "{date}"
_NEXT_DATE: Final = "{next_date}"


@dataclass(frozen=True)
class Database:
    """Fetches a table, or what a query gives, as a Parquet file.

    A query with `{date}` in it knows history. With a `watermark`, rows are read from the column's newest value on, or
    from as much before it as `lookback` says.
    """

    url: str
    table: str = ""
    query: str = ""
    watermark: str = ""
    lookback: timedelta | int = 0

    def __post_init__(self) -> None:
        check_address(self.url)
        if bool(self.table) == bool(self.query):
            raise UsageError(
                "Rows of a database were asked for by neither or both of table and query.", hint="Say one."
            )
        if self.watermark and self.knows_history:
            raise UsageError(
                f"A query with {_DATE} was asked for by watermark; each of them says by itself what is new.",
                hint="Leave one of them out.",
            )

    @property
    def knows_history(self) -> bool:
        return _DATE in self.query or _NEXT_DATE in self.query

    def fetch(self, request: Request) -> bool:
        """One SELECT in a read-only transaction; no more than a few batches are in memory.

        Rows whose watermark equals the newest one fetched before are read again: others may have joined them.
        """
        url = resolved(self.url)
        last = _newest(request.previous, self.watermark) if self.watermark and request.previous else None
        since = None if last is None else self._since(last)
        with _rows(url, self._select(request.day, since)) as rows:
            self._check_watermark(rows.schema, is_text_ordered=url.startswith("sqlite"))
            _write(rows, request.into)
        return last is None or not self._is_known(request, last, since=since)

    def _since(self, last: Any) -> Any:
        if not self.lookback:
            return last
        try:
            return last - self.lookback
        except TypeError as error:
            raise UsageError(
                f"Rows were asked for from {self.lookback!r} before the newest {self.watermark}, which is {last!r}.",
                hint="The lookback of dates and timestamps is a timedelta, that of numbers a number.",
            ) from error

    def _select(self, day: date, since: object) -> str:
        query = self.query.strip().rstrip(";").replace(_DATE, str(day))
        query = query.replace(_NEXT_DATE, str(day + timedelta(days=1)))
        rows = f"({query}\n) AS delivered" if query else ".".join(map(_quoted, self.table.split(".")))
        # A comment may be the query's end.
        return f"SELECT * FROM {rows}" + (
            "" if since is None else f" WHERE {_quoted(self.watermark)} >= {_literal(since)}"
        )

    def _check_watermark(self, schema: pa.Schema, *, is_text_ordered: bool) -> None:
        if not self.watermark:
            return
        if self.watermark not in schema.names:
            raise DataError(
                f"The watermark {self.watermark} was asked for; there is no such column.",
                hint=closest(self.watermark, schema.names),
            )
        kind = schema.field(self.watermark).type
        if not (_is_ordered(kind) or (is_text_ordered and kind == pa.string())):
            raise DataError(
                f"The watermark {self.watermark} was asked for; its type is {kind}, whose order is not the same "
                "everywhere.",
                hint="A watermark is an integer, a decimal, a date or a timestamp: cast it in a query.",
            )

    def _is_known(self, request: Request, last: object, *, since: object) -> bool:
        """Whether the fetched rows are those that the delivery before has from the same watermark on."""
        if _newest(request.into, self.watermark) not in (None, last):
            return False
        assert request.previous is not None
        return _rows_from(request.into, self.watermark, since) == _rows_from(request.previous, self.watermark, since)


def _rows(url: str, query: str) -> Any:
    for scheme, rows in {"postgresql": postgres_rows, "postgres": postgres_rows, "sqlite": sqlite_rows}.items():
        if url.startswith(f"{scheme}://"):
            return rows(url, query)
    raise UsageError(
        f"A database was asked for by {url.partition(':')[0]!r}; known are postgresql:// and sqlite://.",
        hint="For others write a source of your own: docs/how-to/connect-a-source.md shows one.",
    )


def _write(rows: pa.RecordBatchReader, into: UPath) -> None:
    with into.open("wb") as file, parquet.ParquetWriter(file, rows.schema) as writer:
        for group in _row_groups(rows):
            writer.write_table(group)


def _row_groups(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in rows:
        waiting.append(batch)
        size += batch.nbytes
        if size >= _ROW_GROUP_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _newest(file: UPath, column: str) -> Any:
    """The greatest value of the column; None where it has none."""
    try:
        with file.open("rb") as opened, parquet.ParquetFile(opened) as rows:
            newest = [pc.max(batch[column]).as_py() for batch in rows.iter_batches(columns=[column])]
    except (pa.ArrowInvalid, KeyError) as error:
        raise DataError(
            f"The newest value of {column} was looked for in {file.name}; it can't be read there ({error}).",
            hint="Move that file out of landing: then all rows are fetched.",
        ) from error
    return max((each for each in newest if each is not None), default=None)


def _rows_from(file: UPath, column: str, value: Any) -> Counter[str]:
    with file.open("rb") as opened:
        return Counter(map(repr, parquet.read_table(opened, filters=[(column, ">=", value)]).to_pylist()))


def _is_ordered(kind: pa.DataType) -> bool:
    return (
        pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    )


def _literal(value: object) -> str:
    """The value in SQL; text in quotes becomes a date or an instant where it is compared with one."""
    if isinstance(value, str | date):  # every datetime is a date
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
