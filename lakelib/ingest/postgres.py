"""Rows of PostgreSQL, by its binary COPY, as Arrow."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import pyarrow as pa

from lakelib.errors import DataError
from lakelib.ingest.credentials import without_secrets

__all__ = ["postgres_rows"]

_MOST_DIGITS: Final = 38


@contextmanager
def postgres_rows(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    """What the query gives, streamed out of one read-only, repeatable-read transaction.

    Types are kept. numeric(p,s) is a decimal, numeric without a precision text; json, jsonb and uuid are text.

    Raises:
        DataError: no connection, a query that fails, or a type that nothing in Arrow is the same as.
    """
    from adbc_driver_postgresql import dbapi

    with _told_as_data_error(url):
        connection = dbapi.connect(url)
    with closing(connection), closing(connection.cursor()) as cursor:
        with _told_as_data_error(url):
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(query)
            reader = cursor.fetch_record_batch()
        schema = pa.schema([pa.field(field.name, _plain_type(field)) for field in reader.schema])
        yield pa.RecordBatchReader.from_batches(schema, _batches(reader, schema, url))


def _batches(reader: pa.RecordBatchReader, schema: pa.Schema, url: str) -> Iterator[pa.RecordBatch]:
    with _told_as_data_error(url):
        for batch in reader:
            columns = [_plain_column(column, field) for column, field in zip(batch.columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


@contextmanager
def _told_as_data_error(url: str) -> Iterator[None]:
    from adbc_driver_manager import Error

    try:
        yield
    except (Error, pa.ArrowException, OSError) as error:
        # What the driver says may have the address in it, so it is not chained.
        raise DataError(
            f"Rows were asked for of PostgreSQL; it says: {without_secrets(str(error), url).strip()}",
            hint="Is the address right, and may its user read this?",
        ) from None


def _plain_type(field: "pa.Field[Any]") -> pa.DataType:
    """The type without PostgreSQL's own wrapping."""
    kind: Any = field.type
    metadata = field.metadata or {}
    if isinstance(kind, pa.OpaqueType) and kind.type_name == "numeric":
        return _numeric(int(metadata.get(b"POSTGRESQL:typmod", b"-1")))
    if isinstance(kind, pa.JsonType | pa.UuidType):
        return pa.string()
    is_list_of_numeric = pa.types.is_list(kind) and isinstance(kind.value_type, pa.OpaqueType)
    if isinstance(kind, pa.OpaqueType) or is_list_of_numeric or pa.types.is_interval(kind):
        name = metadata.get(b"POSTGRESQL:type", str(kind).encode()).decode().removeprefix("_")
        raise DataError(
            f"The column {field.name} has PostgreSQL's type {name}, which a table of the lake can't hold as it is.",
            hint=f"Cast it in a query: SELECT {field.name}::text AS {field.name}, … or leave it out.",
        )
    return kind  # type: ignore[no-any-return]


def _numeric(modifier: int) -> pa.DataType:
    """A type modifier holds precision and scale, and is -1 without them (PostgreSQL's numeric.c)."""
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
    is_kept = modifier >= 0 and precision <= _MOST_DIGITS and scale <= precision
    return pa.decimal128(precision, scale) if is_kept else pa.string()


def _plain_column(column: Any, field: "pa.Field[Any]") -> "pa.Array[Any]":
    if isinstance(column.type, pa.UuidType):
        return pa.array([value and str(uuid.UUID(bytes=value)) for value in column.storage.to_pylist()], pa.string())
    storage = column.storage if isinstance(column, pa.ExtensionArray) else column
    return storage.cast(field.type)  # type: ignore[no-any-return]
