"""Tables of SQLite files, each value with the type that SQLite has for it.

SQLite's columns hold values of any type, and what they declare is a wish. The declared type is taken at its word, and a
value of another type makes its row a corrupt record. Where nothing definite is declared, the values decide.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from upath import UPath

from lakelib.errors import DeliveryRefusedError, UsageError, closest
from lakelib.ingest.formats import BrokenRecord
from lakelib.ingest.records import RECORD_LIMIT
from lakelib.ingest.stores import is_file, store_errors

__all__ = ["SqliteFormat", "check_closed", "sqlite_pieces", "sqlite_schema"]

_BATCH_ROWS: Final = 2048
_OF_A_MODULE: Final = 1  # a hidden column of a virtual table, which `SELECT *` leaves out
# Section 3.1 of SQLite's datatypes: the first of these in a declared type decides.
_DECLARED: Final = (
    (re.compile("INT"), "integer"),
    (re.compile("CHAR|CLOB|TEXT"), "text"),
    (re.compile("BLOB"), "blob"),
    (re.compile("REAL|FLOA|DOUB"), "real"),
)
_TYPES: Final[dict[str, pa.DataType]] = {
    "integer": pa.int64(),
    "real": pa.float64(),
    "text": pa.string(),
    "blob": pa.binary(),
}
_Row = tuple[Any, ...]


@dataclass(frozen=True)
class SqliteFormat:
    """One table of a SQLite file: INTEGER is bigint, REAL double, TEXT string, BLOB binary."""

    table: str

    def __post_init__(self) -> None:
        if not self.table or "\0" in self.table:
            raise UsageError(
                f"The SQLite table {self.table!r} was asked for, which can't be a name.",
                hint='An example is ingest.sqlite("fleet_{date}.sqlite", table="planes").',
            )

    def read(self, file: Path) -> Iterator[pa.Table | BrokenRecord]:
        """The table's rows in the order SQLite keeps them.

        Raises:
            DeliveryRefusedError: CORRUPT_SQLITE, ENCODING, SCHEMA_MISSING_TABLE, or SCHEMA_TYPE for a column without a
                definite declared type that holds text or bytes beside others.
        """
        try:
            # Nobody else writes to the file: no lock is taken, and no journal looked for.
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, RECORD_LIMIT)
                _check_whole(connection)
                yield from sqlite_pieces(connection, self.table)
        except sqlite3.Error as error:
            raise _broken(error) from error


def check_closed(file: UPath) -> None:
    """Raises DeliveryRefusedError, IN_USE, where a journal beside a delivered file has a part of its rows."""
    journals = [file.with_name(file.name + ending) for ending in ("-wal", "-journal")]
    with store_errors(file):
        written = [journal.name for journal in journals if is_file(journal) and _has_content(journal)]
    if written:
        raise DeliveryRefusedError(
            f"a SQLite file that nobody writes to was expected; {written[0]} beside it has what it lacks",
            hint='Deliver a copy made by SQLite: sqlite3 FILE ".backup COPY".',
            reason="IN_USE",
        )


def _has_content(journal: UPath) -> bool:
    """One that is kept for the next time begins with zeros."""
    with journal.open("rb") as opened:
        return any(opened.read(1))


def _check_whole(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def sqlite_schema(connection: sqlite3.Connection, table: str) -> pa.Schema:
    """The columns of a table or view, with the types their values come in."""
    return pa.schema([(name, _TYPES[kind]) for name, kind in _kinds(connection, table).items()])


def sqlite_pieces(connection: sqlite3.Connection, table: str) -> Iterator[pa.Table | BrokenRecord]:
    """The rows of a table or view, a couple of thousand in a piece."""
    kinds = _kinds(connection, table)
    tests = (f"typeof({_quoted(name)}) IN ({', '.join(map(repr, _fitting(kind)))})" for name, kind in kinds.items())
    columns = ", ".join([*map(_quoted, kinds), " AND ".join(tests)])
    rows = connection.execute(f"SELECT {columns} FROM {_quoted(table)}")
    while batch := rows.fetchmany(_BATCH_ROWS):
        yield from _pieces(batch, kinds)


def _kinds(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """The columns' names with their storage class."""
    told = connection.execute(f"PRAGMA table_xinfo({_quoted(table)})")  # generated columns, too
    declared = {name: kind for _, name, kind, _, _, _, hidden in told if hidden != _OF_A_MODULE}
    if not declared:
        there = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
        raise DeliveryRefusedError(
            f"the table {table} was expected in the SQLite file; it is not there",
            hint=closest(table, [name for (name,) in there]),
            reason="SCHEMA_MISSING_TABLE",
        )
    return {
        name: next((found for pattern, found in _DECLARED if pattern.search(kind.upper())), None)
        or _kind_of_values(connection, table, name)
        for name, kind in declared.items()
    }


def _kind_of_values(connection: sqlite3.Connection, table: str, column: str) -> str:
    query = f"SELECT DISTINCT typeof({_quoted(column)}) FROM {_quoted(table)}"
    found = {kind for (kind,) in connection.execute(query)} - {"null"}
    if len(found) > 1 and found != {"integer", "real"}:
        raise _mixed(column, " and ".join(sorted(found)))
    return "real" if len(found) > 1 else next(iter(found), "text")


def _fitting(kind: str) -> Sequence[str]:
    return (kind, "integer", "null") if kind == "real" else (kind, "null")


def _pieces(batch: Sequence[_Row], kinds: Mapping[str, str]) -> Iterator[pa.Table | BrokenRecord]:
    for is_sound, rows in groupby(batch, key=itemgetter(-1)):
        if is_sound:
            *values, _ = zip(*rows, strict=True)
            arrays = [_array(column, *kind) for column, kind in zip(values, kinds.items(), strict=True)]
            yield pa.Table.from_arrays(arrays, names=list(kinds))
        else:
            yield from (_broken_record(row, kinds) for row in rows)


def _array(values: Sequence[Any], column: str, kind: str) -> "pa.Array[Any]":
    try:
        return pa.array(values, _TYPES[kind])
    except pa.ArrowInvalid as error:
        raise _mixed(column, f"fractions beside integers that no double equals ({error})") from error


def _broken_record(row: _Row, kinds: Mapping[str, str]) -> BrokenRecord:
    values = dict(zip(kinds, row[:-1], strict=True))
    misfits = [
        f"{name} is declared {kinds[name]} and holds {_storage_class(value)}"
        for name, value in values.items()
        if _storage_class(value) not in _fitting(kinds[name])
    ]
    record = json.dumps(values, ensure_ascii=False, default=bytes.hex)
    return BrokenRecord("FIELD_TYPE", ", ".join(misfits), record)


def _storage_class(value: object) -> str:
    kinds: dict[type, str] = {int: "integer", float: "real", str: "text", bytes: "blob"}
    return kinds.get(type(value), "null")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _mixed(column: str, found: str) -> DeliveryRefusedError:
    return DeliveryRefusedError(
        f"values of one type were expected in the column {column}; found {found}",
        hint="Declare the column's type in the SQLite table: INTEGER, REAL, TEXT or BLOB.",
        reason="SCHEMA_TYPE",
    )


def _broken(error: sqlite3.Error) -> DeliveryRefusedError:
    is_encoding = "decode to UTF-8" in str(error)
    return DeliveryRefusedError(
        f"{'text in utf-8' if is_encoding else 'a whole SQLite file'} was expected; {error}",
        hint="Deliver the complete file again, copied while nobody writes to it.",
        reason="ENCODING" if is_encoding else "CORRUPT_SQLITE",
    )
