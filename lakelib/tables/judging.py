"""Rows of a table with a key, computed once and written by verdict: a folder a verdict, `_verdict=<verdict>`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakelib import context, events
from lakelib.contracts import Contract
from lakelib.engine.plans import is_row_by_row
from lakelib.engine.staged_files import staged_rows
from lakelib.errors import SchemaError
from lakelib.quality import (
    ACCEPTED,
    DISPUTED,
    broken_unique_rules,
    unsettled_keys,
    with_row_verdicts,
    with_undisputed_verdicts,
    with_unique_flags,
    with_verdicts_by_key,
)
from lakelib.tables.discarding import discard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["read_staged", "write_by_key", "write_by_verdict"]

_COMPRESSION: Final = "snappy"  # quick: staged files live for seconds
_MUCH: Final = 64 << 20  # bytes of tables that are read


def write_by_key(
    rows: "DataFrame", contract: Contract, *, given: "DataFrame", folder: str, beside: "DataFrame | None"
) -> None:
    """Rows of keys that come once by their own verdict, those of keys that come several times judged together.

    `rows` are those of `given`, with what is told of each. `beside` are rows of the table that the write leaves alone
    unless it has their keys: unique values are so in both.

    Raises:
        SchemaError: keys are others each time that they are computed.
    """
    discard(f"{folder}.computed")
    discard(f"{folder}.keys")
    judging = _Judging(contract, folder)
    if _reads_much() and is_row_by_row(given):
        judging.write_disputed_apart(rows, given=given)
    else:
        judging.write_then_judge(rows)
    if any(Path(folder).glob("*/*.parquet")):
        judging.judge_unique(beside)
    events.publish(events.Judged(str(contract.name), judging.keys, round(judging.seconds, 3)))


def write_by_verdict(judged: "DataFrame", folder: str) -> None:
    """Beside what the folder holds already."""
    judged.write.option("compression", _COMPRESSION).mode("append").partitionBy("_verdict").parquet(folder)


def read_staged(folder: str) -> "DataFrame":
    return context.current().engine.session.read.parquet(folder)


def _reads_much() -> bool:
    run = context.current()
    return sum(file.stat().st_size for table in run.pins for file in Path(run.path(table)).glob("*.parquet")) > _MUCH


@dataclass
class _Judging:
    """Writes to `folder`. `seconds` are those beside the one write of the rows."""

    contract: Contract
    folder: str
    keys: int = 0
    seconds: float = 0.0

    def write_disputed_apart(self, rows: "DataFrame", *, given: "DataFrame") -> None:
        """Asks for the keys of several rows first: of many rows that are cheap to read, few are written twice."""
        with self._counted():
            self._find_keys(given)
        if self.keys:
            rows = rows.transform(with_undisputed_verdicts, self.contract, unsettled=read_staged(self._keys))
        else:
            rows = rows.transform(with_row_verdicts)
        write_by_verdict(rows, self.folder)
        with self._counted():
            discard(self._keys)
            self._judge_disputed()
            self._check_keys()

    def write_then_judge(self, rows: "DataFrame") -> None:
        """Mostly all of what was computed is accepted as it lies there."""
        computed = f"{self.folder}.computed"
        if not _write(rows, computed):
            return
        with self._counted():
            held = read_staged(computed)
            self._find_keys(held)
            if self.keys:
                unsettled = read_staged(self._keys)
                write_by_verdict(
                    held.transform(with_undisputed_verdicts, self.contract, unsettled=unsettled), self.folder
                )
                self._judge_disputed()
            else:
                Path(self.folder).mkdir()
                Path(computed).rename(f"{self.folder}/_verdict={ACCEPTED}")
            discard(self._keys)
            discard(computed)

    def judge_unique(self, beside: "DataFrame | None") -> None:
        with self._counted():
            judged, flagged = read_staged(self.folder), f"{self.folder}.flagged"
            if broken := broken_unique_rules(judged, self.contract, beside=beside):
                discard(flagged)
                write_by_verdict(
                    judged.transform(with_unique_flags, self.contract, rules=broken, beside=beside), flagged
                )
                discard(self.folder)
                Path(flagged).rename(self.folder)

    @property
    def _keys(self) -> str:
        return f"{self.folder}.keys"

    def _find_keys(self, rows: "DataFrame") -> None:
        self.keys = _write(rows.transform(unsettled_keys, self.contract), self._keys)

    def _judge_disputed(self) -> None:
        together = f"{self.folder}/_verdict={DISPUTED}"
        if staged_rows(together):
            rows = read_staged(together)
            ages = [name for name in (*self.contract.newest_by, "_ingested_at") if name in rows.columns]
            write_by_verdict(rows.transform(with_verdicts_by_key, self.contract, ages=ages), self.folder)
        discard(together)

    def _check_keys(self) -> None:
        accepted = f"{self.folder}/_verdict={ACCEPTED}"
        if not staged_rows(accepted):
            return
        if read_staged(accepted).transform(unsettled_keys, self.contract).where("_rows > 1").limit(1).count():
            raise SchemaError(
                f"Rows for {self.contract.name} were to have the same {', '.join(self.contract.key)} whenever they are "
                "computed; some had others the second time.",
                hint="Make keys of what was delivered, not of random numbers or of the time.",
            )

    @contextmanager
    def _counted(self) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds += time.monotonic() - started


def _write(df: "DataFrame", folder: str) -> int:
    """How many rows it were."""
    df.write.option("compression", _COMPRESSION).parquet(folder)
    return staged_rows(folder)
