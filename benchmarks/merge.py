"""Merges of staged rows into a table: by the embedded engine, and by delta-rs alone."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from deltalake import DeltaTable, write_deltalake

from benchmarks.command import run_command
from benchmarks.measuring import Case, chosen, measure
from benchmarks.reporting import QUICK, RESULTS, report
from benchmarks.sampling import sample
from lakelib.engine import Commit, Merge
from lakelib.engine.embedded import EmbeddedEngine
from lakelib.errors import RunError

_NEWER: Final = "s.version > t.version"
_TIED: Final = "s.version = t.version"
_DIFFERS: Final = "s.amount <> t.amount OR s.note <> t.note"


@dataclass(frozen=True)
class _Shape:
    """A table of `files` with `rows` each. A tenth of the last file's rows changes, and a hundredth as many are new."""

    files: int
    rows: int

    @property
    def updated(self) -> int:
        return self.rows // 10

    @property
    def inserted(self) -> int:
        return self.rows // 100


_SHAPES: Final = {
    "2m": _Shape(files=1, rows=2_000_000),
    "100k": _Shape(files=1, rows=100_000),
    "day-of-365": _Shape(files=365, rows=1_000),
}


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="once each: shows that it works")] = False,
    rounds: Annotated[int, typer.Option(help="how often each case is run")] = 5,
    only: Annotated[list[str] | None, typer.Option(help="a case to run; may be repeated")] = None,
) -> None:
    """Measure merges into a large table, into a small one, and of the newest day of a table with a file a day."""
    with tempfile.TemporaryDirectory(prefix="lake-") as temporary:
        folder = Path(temporary)
        for name, shape in _SHAPES.items():
            _lay(shape, folder / name)
        times = "1" if quick else "3"
        cases = [
            Case(f"{writer}-{name}", [sys.executable, "-m", "benchmarks.merge_work", writer, name, temporary, times])
            for name in _SHAPES
            for writer in _WRITERS
        ]
        measured = measure(chosen(cases, only or []), rounds=1 if quick else rounds)
    report(
        "merge",
        measured,
        title="A tenth of 2 million, of 100,000 and of a day's 1,000 rows changed, a hundredth as many new, and merged",
        results=QUICK if quick or only else RESULTS,
    )


def work(writer: str, name: str, folder: Path, *, times: int) -> None:
    """Samples of one case. Raises RunError when the table does not hold what it must afterwards."""
    shape, engine = _SHAPES[name], EmbeddedEngine()
    table, staged = str(folder / f"{name}.{writer}"), str(folder / name / "staged")

    def laid() -> None:
        shutil.rmtree(table, ignore_errors=True)
        shutil.copytree(folder / name / "table", table)
        engine.session.range(1).count()

    def merged() -> Mapping[str, float]:
        _WRITERS[writer](engine, staged, table)
        return {}

    sample(merged, times=times, prepare=laid)
    rows = DeltaTable(table).to_pyarrow_table(columns=["version"])["version"].to_pylist()
    found, wanted = (len(rows), sum(rows)), (shape.files * shape.rows + shape.inserted, shape.updated + shape.inserted)
    engine.close()
    if found != wanted:
        raise RunError(f"{writer}-{name} was to leave {wanted} (rows, and those of version 1); found {found}.")


def _ours(engine: EmbeddedEngine, staged: str, table: str) -> None:
    when = f"{_NEWER} OR (({_TIED}) AND ({_DIFFERS}))"
    merge = Merge(("key",), when, newer_when=_NEWER, tied_when=_TIED)
    engine.merge(staged, table, merge=merge, commit=Commit("{}", "merge"))


def _delta_rs(_: EmbeddedEngine, staged: str, table: str) -> None:
    rows = pq.read_table(staged)
    merger = DeltaTable(table).merge(rows, predicate="s.key = t.key", source_alias="s", target_alias="t")
    merger.when_matched_update_all(predicate=_NEWER).when_not_matched_insert_all().execute()


_WRITERS: Final[Mapping[str, Callable[[EmbeddedEngine, str, str], None]]] = {"ours": _ours, "delta-rs": _delta_rs}


def _lay(shape: _Shape, folder: Path) -> None:
    """The table, and the staged rows; keys are in order from file to file, and shuffled in each."""
    last = (shape.files - 1) * shape.rows
    for number in range(shape.files):
        write_deltalake(str(folder / "table"), _rows(number * shape.rows, shape.rows, version=0), mode="append")
    (folder / "staged").mkdir()
    changed = _rows(last, shape.rows, version=1).slice(0, shape.updated)
    pq.write_table(changed, folder / "staged" / "changed.parquet")
    pq.write_table(_rows(last + shape.rows, shape.inserted, version=1), folder / "staged" / "new.parquet")


def _rows(first: int, count: int, *, version: int) -> pa.Table:
    keys = np.random.default_rng(first).permutation(count) + first
    return pa.table(
        {
            "key": keys,
            "version": np.full(count, version),
            "amount": keys % 977,
            "day": pa.array(keys % 3650, pa.int32()).cast(pa.date32()),
            "note": pa.array([f"row {key} has this note, which is {key % 31} and no more" for key in keys]),
        }
    )


if __name__ == "__main__":
    run_command(main)
