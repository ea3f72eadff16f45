"""Rows of a SQLite database that others may be writing to."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa

from lakelib.errors import DataError, DeliveryRefusedError
from lakelib.ingest.formats import BrokenRecord
from lakelib.ingest.sqlite_tables import sqlite_pieces, sqlite_schema

__all__ = ["sqlite_rows"]

_VIEW: Final = "_delivered"
_SCHEME: Final = "sqlite:///"


@contextmanager
def sqlite_rows(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    """What the query gives, in one read transaction; types as a SQLite file has them.

    `sqlite:///` stands before the path: `sqlite:////srv/crm.sqlite`.

    Raises:
        DataError: no such database, a query that fails, or a value of another type than its column declares.
    """
    address = f"{Path(url.removeprefix(_SCHEME)).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.execute(f"CREATE TEMP VIEW {_VIEW} AS {query}")
            schema = sqlite_schema(connection, _VIEW)
            yield pa.RecordBatchReader.from_batches(schema, _batches(connection, schema))
    except (sqlite3.Error, DeliveryRefusedError) as error:
        raise DataError(
            f"Rows were asked for of the SQLite database {url.removeprefix(_SCHEME)}; it says: {error}",
            hint="Is it there, and does it hold what is asked for?",
        ) from error


def _batches(connection: sqlite3.Connection, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for piece in sqlite_pieces(connection, _VIEW):
        if isinstance(piece, BrokenRecord):
            raise DataError(
                f"Values of their columns' types were expected; {piece.message} in {piece.record:.200}.",
                hint="Cast the column in a query.",
            )
        yield from piece.cast(schema).to_batches()
