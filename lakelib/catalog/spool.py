"""What waits for the catalog: nothing is lost while it is away, and everything goes once, in order.

One SQLite file, so that each step is whole or not at all, also when the process is killed in it. An item that was
delivered in the moment of a crash is delivered again: what is sent twice says the same, and DataHub keeps it once.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from lakelib.errors import CatalogError

__all__ = ["Item", "Spool"]

_AGAIN: Final = "all that it held is told again from contracts and archive."
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, state TEXT NOT NULL, content TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS items_by_subject ON items (subject, number);
CREATE TABLE IF NOT EXISTS sent (sink TEXT PRIMARY KEY, number INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Item:
    """`content` tells of the `subject`, in DataHub's metadata file format: a JSON list of proposals."""

    number: int
    subject: str
    content: str

    def told(self) -> list[Any]:
        """Raises CatalogError where the content is damaged."""
        try:
            proposals: list[Any] = json.loads(self.content)
        except ValueError as error:
            raise CatalogError(
                f"What the catalog's spool tells of {self.subject} was to be read; it is damaged: {error}.",
                hint=f"Move the spool away: {_AGAIN}",
            ) from error
        return proposals


class Spool:
    """Several processes may put and send; each sink takes the items in the order they were put.

    Every method raises CatalogError where SQLite can't read or write the file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._errors():
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._connection.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def is_in(self, subject: str, state: str) -> bool:
        """Whether what was put last of the subject is this state of it."""
        newest = "SELECT state FROM items WHERE subject = ? ORDER BY number DESC LIMIT 1"
        return self._rows(newest, subject) == [(state,)]

    def put(self, subject: str, state: str, *, content: str) -> None:
        self._rows("INSERT INTO items (subject, state, content) VALUES (?, ?, ?)", subject, state, content)

    def waiting(self, sink: str) -> Iterator[Item]:
        """What the sink has not had, in order."""
        while found := self._rows(
            "SELECT number, subject, content FROM items WHERE number > ? ORDER BY number LIMIT 1", self._sent(sink)
        ):
            yield Item(*found[0])

    def items(self) -> Iterator[Item]:
        for row in self._rows("SELECT number, subject, content FROM items ORDER BY number"):
            yield Item(*row)

    def mark_sent(self, item: Item, sink: str) -> None:
        self._rows("INSERT OR REPLACE INTO sent VALUES (?, ?)", sink, item.number)

    def forget_sent(self) -> None:
        """Every sink gets everything again."""
        self._rows("DELETE FROM sent")

    def counts(self, sink: str) -> tuple[int, int]:
        """How many items the sink has had, and how many wait for it."""
        last = self._sent(sink)
        [(had, waits)] = self._rows(
            "SELECT count(*) FILTER (WHERE number <= ?1), count(*) FILTER (WHERE number > ?1) FROM items", last
        )
        return had, waits

    def _sent(self, sink: str) -> int:
        found = self._rows("SELECT number FROM sent WHERE sink = ?", sink)
        return int(found[0][0]) if found else 0

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._errors(), closing(self._connection.execute(statement, values)) as cursor:
            return cursor.fetchall()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise CatalogError(
                f"The catalog's spool {self._path} was to be used: {error}.",
                hint=f"Where it is damaged, move it away: {_AGAIN}",
            ) from error
