from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from lakelib.engine import Commit, Engine, Merge, Version, Written

BY_KEY = "s.key = t.key"
DIFFERS = "NOT (s.value IS NOT DISTINCT FROM t.value)"


@dataclass
class Shelf:
    """One table of keys and values, written by the engine under test; each write has a transaction of its own."""

    engine: Engine
    folder: Path

    def __post_init__(self) -> None:
        self.table = str(self.folder / "table")
        self._numbers = count()

    def commit(self) -> Commit:
        number = next(self._numbers)
        return Commit(f'{{"run_id": "run {number}"}}', f"run {number}")

    def stage(self, rows: Sequence[tuple[int | None, str | None]], *, schema: str = "key int, value string") -> str:
        folder = str(self.folder / f"staged-{next(self._numbers)}")
        self.engine.session.createDataFrame(rows, schema).write.parquet(folder)
        return folder

    def create(self, *rows: tuple[int | None, str | None]) -> "Shelf":
        schema = self.engine.session.createDataFrame([], "key int, value string").schema
        self.engine.create(self.table, schema, commit=self.commit())
        if rows:
            self.append(*rows)
        return self

    def append(self, *rows: tuple[int | None, str | None]) -> Written:
        return self.engine.append(self.stage(rows), self.table, commit=self.commit())

    def replace(self, *rows: tuple[int | None, str | None], where: str) -> Written:
        return self.engine.replace(self.stage(rows), self.table, where=where, commit=self.commit())

    def merge(self, *rows: tuple[int | None, str | None], update_when: str = DIFFERS) -> Written:
        return self._merge(rows, Merge(BY_KEY, update_when))

    def merge_deleting_missing(self, *rows: tuple[int | None, str | None]) -> Written:
        return self._merge(rows, Merge(BY_KEY, DIFFERS, is_deleting_missing=True))

    def _merge(self, rows: Sequence[tuple[int | None, str | None]], merge: Merge) -> Written:
        return self.engine.merge(self.stage(rows), self.table, merge=merge, commit=self.commit())

    def rows(self) -> list[tuple[int | None, str | None]]:
        held = self.engine.session.read.format("delta").load(self.table)
        return sorted((tuple(row) for row in held.collect()), key=str)

    def newest(self) -> Version:
        return self.engine.history(self.table, limit=1)[0]


@pytest.fixture
def shelf(engine: Engine, tmp_path: Path) -> Shelf:
    return Shelf(engine, tmp_path)
