from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from lakelib.engine import Commit, Engine, Merge, Version, Written, open_engine
from lakelib.settings import Settings

BY_KEY = ("key",)
TYPES = {"int": pa.int32(), "long": pa.int64(), "string": pa.string()}
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
        """Written as either engine writes it, which is tested with each in its turn."""
        folder = self.folder / f"staged-{next(self._numbers)}"
        folder.mkdir()
        columns = [column.split() for column in schema.split(", ")]
        values = [dict(zip((name for name, _ in columns), row, strict=True)) for row in rows]
        fields = pa.schema([(name, TYPES[type_]) for name, type_ in columns])
        pq.write_table(pa.Table.from_pylist(values, fields), folder / "part-0.parquet")
        return str(folder)

    def create(self, *rows: tuple[int | None, str | None]) -> "Shelf":
        schema = StructType([StructField("key", IntegerType()), StructField("value", StringType())])
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
        """As any Delta reader sees them."""
        held = DeltaTable(self.table).to_pyarrow_table().to_pylist()
        return sorted((tuple(row.values()) for row in held), key=str)

    def newest(self) -> Version:
        return self.engine.history(self.table, limit=1)[0]


@pytest.fixture(scope="module", params=["embedded", "spark", "spark in process"])
def shelf_engine(request: pytest.FixtureRequest, spark_settings: Settings) -> Iterator[Engine]:
    """Spark twice: by its own writes, however small, and by delta-rs in this process, as small ones are made."""
    if request.param != "embedded":
        request.getfixturevalue("spark_server")
    spark = spark_settings.spark.model_copy(update={"small_write": "256m" if "process" in request.param else "0"})
    opened = open_engine(spark_settings.model_copy(update={"engine": request.param.split()[0], "spark": spark}))
    yield opened
    opened.close()


@pytest.fixture
def shelf(shelf_engine: Engine, tmp_path: Path) -> Shelf:
    return Shelf(shelf_engine, tmp_path)
