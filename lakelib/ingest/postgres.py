"""Rows of PostgreSQL, by its binary COPY, as Arrow."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakelib.errors import DataError, SourceAwayError
from lakelib.ingest.credentials import without_secrets
from lakelib.ingest.postgres_answers import is_away_at_start, is_state_of_absence

if TYPE_CHECKING:
    from adbc_driver_postgresql import dbapi

__all__ = ["postgres_rows"]

_MOST_DIGITS: Final = 38
_INTEGERS: Final = ("int2", "int4", "int8")
_HAS_SHAPE: Final = "_has_shape"


@contextmanager
def postgres_rows(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    """What the query gives, streamed out of one read-only, repeatable-read transaction.

    Types are kept. numeric(p,s) is a decimal, numeric without a precision text; json, jsonb and uuid are text, also in
    arrays.

    Raises:
        SourceAwayError: the server does not answer, or went away.
        DataError: it refuses, the query fails, or nothing in Arrow is the same as a type or a value.
    """
    from adbc_driver_postgresql import dbapi

    with _told_as_data_error(url):
        connection = dbapi.connect(url)
    with closing(connection), closing(connection.cursor()) as cursor:
        with _told_as_data_error(url, connection):
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            found = cursor.adbc_execute_schema(query)
            schema = pa.schema([pa.field(field.name, _plain_type(field.type, field)) for field in found])
            cursor.execute(_with_shape(query, schema))
            reader = cursor.fetch_record_batch()
        yield pa.RecordBatchReader.from_batches(schema, _batches(reader, schema, url, connection))


def _with_shape(query: str, schema: pa.Schema) -> str:
    """The query, and whether a row has an array of several dimensions: the driver makes one of them."""
    names = [field.name.replace('"', '""') for field in schema if pa.types.is_list(field.type)]
    if not names:
        return query
    has_shape = " OR ".join(f'coalesce(array_ndims("{name}") > 1, false)' for name in names)
    return f"SELECT *, {has_shape} AS {_HAS_SHAPE} FROM ({query}) AS told"


def _batches(
    reader: pa.RecordBatchReader, schema: pa.Schema, url: str, connection: "dbapi.Connection"
) -> Iterator[pa.RecordBatch]:
    with _told_as_data_error(url, connection):
        for batch in reader:
            if _HAS_SHAPE in batch.schema.names and pc.any(batch[_HAS_SHAPE]).as_py():
                raise DataError(
                    "Arrays of one dimension were expected; one of PostgreSQL's has several.",
                    hint="Cast it in a query: SELECT to_json(matrix) AS matrix, …",
                )
            yield pa.RecordBatch.from_arrays(
                [_plain_column(batch[field.name], field) for field in schema], schema=schema
            )


@contextmanager
def _told_as_data_error(url: str, connection: "dbapi.Connection | None" = None) -> Iterator[None]:
    """The address without its password; the connection, once there is one."""
    from adbc_driver_manager import Error

    try:
        yield
    except (Error, pa.ArrowException, OSError) as error:
        told = without_secrets(str(error), url).strip()
        is_away = is_away_at_start(url, str(error)) if connection is None else _is_lost(connection, error)
        # What the driver says may have the address in it, so it is not chained.
        if is_away:
            raise SourceAwayError(
                f"Rows were asked for of PostgreSQL; it is away: {told}", hint="Is the server well? Run again later."
            ) from None
        raise DataError(
            f"Rows were asked for of PostgreSQL; it says: {told}",
            hint="Is the address right, and may its user read this?",
        ) from None


def _is_lost(connection: "dbapi.Connection", error: Exception) -> bool:
    """By the SQLSTATE where the driver hands one on; it does not in the middle of rows."""
    from adbc_driver_manager import Error

    if is_state_of_absence(getattr(error, "sqlstate", None)):
        return True
    try:
        connection.rollback()
    except Error:
        return True
    return False


def _plain_type(kind: Any, field: "pa.Field[Any]") -> pa.DataType:
    """The type without PostgreSQL's own wrapping."""
    metadata = field.metadata or {}
    if pa.types.is_list(kind) and not isinstance(kind.value_type, pa.OpaqueType):
        return pa.list_(_plain_type(kind.value_type, field))
    if isinstance(kind, pa.OpaqueType) and kind.type_name == "numeric":
        return _numeric(int(metadata.get(b"POSTGRESQL:typmod", b"-1")))
    if isinstance(kind, pa.JsonType | pa.UuidType):
        return pa.string()
    name = metadata.get(b"POSTGRESQL:type", str(kind).encode()).decode().removeprefix("_")
    is_amount = pa.types.is_integer(kind) and name not in _INTEGERS  # money in cents, and oid with a sign
    if isinstance(kind, pa.OpaqueType) or pa.types.is_nested(kind) or pa.types.is_interval(kind) or is_amount:
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
        return pa.array([value and str(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_list(column.type) and isinstance(column.type.value_type, pa.UuidType | pa.JsonType):
        told = [value and [each and str(each) for each in value] for value in column.to_pylist()]
        return pa.array(told, field.type)  # type: ignore[no-any-return]
    plain = (column.storage if isinstance(column, pa.ExtensionArray) else column).cast(field.type)
    _check_times(plain.flatten() if pa.types.is_list(plain.type) else plain, name=field.name)
    return plain  # type: ignore[no-any-return]


def _check_times(values: Any, *, name: str) -> None:
    """PostgreSQL's infinity comes as a number like any other."""
    if pa.types.is_timestamp(values.type):
        zone = UTC if values.type.tz else None
        bounds: list[Any] = [each.replace(tzinfo=zone) for each in (datetime.min, datetime.max)]
    elif pa.types.is_date(values.type):
        bounds = [date.min, date.max]
    else:
        return
    least, most = (pa.scalar(each, values.type) for each in bounds)
    if pc.any(pc.or_(pc.less(values, least), pc.greater(values, most))).as_py():
        raise DataError(
            f"Times of the years 1 to 9999 were expected in {name}; one is infinite, or outside of them.",
            hint=f"Say what it means in a query: SELECT nullif({name}, 'infinity') AS {name}, …",
        )
