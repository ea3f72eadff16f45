"""Rows of a table with a key, computed once and written by verdict: a folder a verdict, `_verdict=<verdict>`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakelib import context, events
from lakelib.contracts import Contract
from lakelib.engine.plans import is_cheap_to_repeat
from lakelib.engine.staged_files import COMPRESSION, parquet_options, staged_rows
from lakelib.quality import (
    ACCEPTED,
    DISPUTED,
    broken_unique_rules,
    unsettled_keys,
    with_undisputed_verdicts,
    with_unique_flags,
    with_verdicts_by_key,
)
from lakelib.tables.discarding import discard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter

__all__ = ["read_staged", "write_by_key", "write_by_verdict"]

_MUCH: Final = 64 << 20  # bytes of tables that are read


def write_by_key(
    rows: "DataFrame", contract: Contract, *, given: "DataFrame", folder: str, beside: "DataFrame | None"
) -> None:
    """Rows of keys that come once by their own verdict, those of keys that come several times judged together.

    `rows` are those of `given`, with what is told of each. `beside` are rows of the table that the write leaves alone
    unless it has their keys: unique values are so in both.
    """
    discard(f"{folder}.computed")
    judging = _Judging(contract, folder)
    if _reads_much() and is_cheap_to_repeat(given):
        judging.write_disputed_apart(rows, given=given)
    else:
        judging.write_then_judge(rows)
    if any(Path(folder).glob("*/*.parquet")):
        judging.judge_unique(beside)
    events.publish(events.Judged(str(contract.name), judging.keys, round(judging.seconds, 3)))


def write_by_verdict(judged: "DataFrame", contract: Contract, *, folder: str) -> None:
    """Beside what the folder holds already."""
    _writer(judged, contract).mode("append").partitionBy("_verdict").parquet(folder)


def _writer(df: "DataFrame", contract: Contract) -> "DataFrameWriter":
    return df.write.options(compression=COMPRESSION, **parquet_options(column.type for column in contract.columns))


def read_staged(folder: str) -> "DataFrame":
    return context.current().engine.session.read.parquet(folder)


def _reads_much() -> bool:
    run = context.current()
    return sum(_size(file) for table in run.pins for file in Path(run.path(table)).glob("*.parquet")) > _MUCH


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # another process cleans up
        return 0


@dataclass
class _Judging:
    """Writes to `folder`. `seconds` are those beside the one write of the rows."""

    contract: Contract
    folder: str
    keys: int = 0
    seconds: float = 0.0

    def write_disputed_apart(self, rows: "DataFrame", *, given: "DataFrame") -> None:
        """Asks for the keys of several rows first, so that few rows are written twice. `given` has to be repeatable."""
        with self._counted():
            unsettled = read_staged(self._keys) if self._find_keys(given) else None
        self._write_verdicts(rows.transform(with_undisputed_verdicts, self.contract, unsettled=unsettled))
        with self._counted():
            discard(self._keys)
            self._judge_disputed()

    def write_then_judge(self, rows: "DataFrame") -> None:
        """Mostly all of what was computed is accepted as it lies there."""
        _write(rows, self.contract, self._computed)
        with self._counted():
            self._judge_computed()
            discard(self._computed)
            discard(self._keys)

    def judge_unique(self, beside: "DataFrame | None") -> None:
        with self._counted():
            judged, flagged = read_staged(self.folder), f"{self.folder}.flagged"
            if broken := broken_unique_rules(judged, self.contract, beside=beside):
                discard(flagged)
                rows = judged.transform(with_unique_flags, self.contract, rules=broken, beside=beside)
                write_by_verdict(rows, self.contract, folder=flagged)
                discard(self.folder)
                Path(flagged).rename(self.folder)

    @property
    def _computed(self) -> str:
        return f"{self.folder}.computed"

    @property
    def _keys(self) -> str:
        return f"{self.folder}.keys"

    def _write_verdicts(self, judged: "DataFrame") -> None:
        write_by_verdict(judged, self.contract, folder=self.folder)

    def _find_keys(self, rows: "DataFrame") -> int:
        discard(self._keys)
        found = _write(rows.transform(unsettled_keys, self.contract), self.contract, self._keys)
        self.keys += found
        return found

    def _judge_computed(self) -> None:
        if not staged_rows(self._computed):
            return
        if self._find_keys(read_staged(self._computed)):
            rows, unsettled = read_staged(self._computed), read_staged(self._keys)
            self._write_verdicts(rows.transform(with_undisputed_verdicts, self.contract, unsettled=unsettled))
            self._judge_disputed()
        else:
            Path(self.folder).mkdir()
            Path(self._computed).rename(f"{self.folder}/_verdict={ACCEPTED}")

    def _judge_disputed(self) -> None:
        together = f"{self.folder}/_verdict={DISPUTED}"
        if staged_rows(together):
            rows = read_staged(together)
            ages = [name for name in (*self.contract.newest_by, "_ingested_at") if name in rows.columns]
            self._write_verdicts(rows.transform(with_verdicts_by_key, self.contract, ages=ages))
        discard(together)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds += time.monotonic() - started


def _write(df: "DataFrame", contract: Contract, folder: str) -> int:
    """How many rows it were."""
    _writer(df, contract).parquet(folder)
    return staged_rows(folder)
