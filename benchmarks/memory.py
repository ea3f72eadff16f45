"""A join and a merge of five times the memory that an engine may use for rows."""

import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from benchmarks.command import run_command
from benchmarks.measuring import Case, chosen, measure
from benchmarks.ours import own_residents, spark_pids
from benchmarks.reporting import QUICK, RESULTS, report
from lakelib.engine import Commit, Engine, Merge, open_engine
from lakelib.engine.spark_server import ensure_server, stop_server
from lakelib.errors import RunError
from lakelib.settings import EmbeddedSettings, Settings, SparkSettings

# Spark keeps 300 MB of its heap for itself, and gives six tenths of what is left to rows.
_BOUNDS: Final = {"320m": EmbeddedSettings(memory="320m"), "unbounded": None, "spark": SparkSettings(memory="832m")}
_ROWS: Final = 1_000_000  # a file of either side, 100 bytes a row in memory
_FILES: Final = {"full": 8, "quick": 1}


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="a fifth of the memory: shows that it works")] = False,
    rounds: Annotated[int, typer.Option(help="how often each case is run")] = 1,
) -> None:
    """Measure joins and merges of rows that do not fit the memory they may use, and without a bound."""
    files = _FILES["quick" if quick else "full"]
    with tempfile.TemporaryDirectory(prefix="lake-") as temporary, own_residents(Path(temporary)):
        folder = Path(temporary)
        for side in ("held", "given"):
            _write(folder / side, side, files=files)
        cases = [_case(what, bound, folder) for what in ("join", "merge") for bound in _BOUNDS]
        measured = measure(chosen(cases, []), rounds=rounds)
    report(
        "memory",
        measured,
        title=f"{2 * files} million rows of 100 bytes, joined and merged, with 320 MB for rows and without a bound",
        results=QUICK if quick else RESULTS,
    )


def work(what: str, bound: str, folder: Path) -> None:
    """One case in this process. Raises RunError when the outcome is not what it must be."""
    engine = open_engine(_settings(bound, folder))
    rows = sum(pq.read_metadata(file).num_rows for file in (folder / "held").glob("*.parquet"))
    done = (_join if what == "join" else _merge)(engine, folder)
    engine.close()
    if done != rows:
        raise RunError(f"A {what} of {rows} rows was asked for; {done} came out.")


def _case(what: str, bound: str, folder: Path) -> Case:
    command = [sys.executable, "-m", "benchmarks.memory_work", what, bound, str(folder)]
    if bound != "spark":
        return Case(f"{what}-{bound}", command)
    settings = _settings(bound, folder)

    def stopped() -> Mapping[str, float]:
        stop_server(settings)
        return {}

    return Case(
        f"{what}-{bound}",
        command,
        prepare=lambda: ensure_server(settings),
        residents=lambda: spark_pids(settings),
        examine=stopped,
    )


def _settings(bound: str, folder: Path) -> Settings:
    match _BOUNDS[bound]:
        case SparkSettings() as spark:
            return Settings(project=folder, engine="spark", spark=spark)
        case EmbeddedSettings() as embedded:
            return Settings(project=folder, embedded=embedded)
        case _:
            return Settings(project=folder)


def _join(engine: Engine, folder: Path) -> int:
    held, given = (engine.session.read.parquet(str(folder / side)) for side in ("held", "given"))
    with tempfile.TemporaryDirectory(dir=folder) as out:
        held.join(given.withColumnRenamed("text", "other"), "key").write.parquet(f"{out}/joined")
        return sum(pq.read_metadata(file).num_rows for file in Path(out).rglob("*.parquet"))


def _merge(engine: Engine, folder: Path) -> int:
    with tempfile.TemporaryDirectory(dir=folder) as out:
        table = f"{out}/table"
        engine.create(table, engine.session.read.parquet(str(folder / "held")).schema, commit=Commit("", "create"))
        engine.append(str(folder / "held"), table, commit=Commit("", "append"))
        changed = Merge(("key",), "NOT (s.text IS NOT DISTINCT FROM t.text)")
        return engine.merge(str(folder / "given"), table, merge=changed, commit=Commit("", "merge")).updated


def _write(folder: Path, side: str, *, files: int) -> None:
    """Every key once, in an order that no sort can profit from."""
    folder.mkdir()
    for number in range(files):
        pq.write_table(pa.Table.from_batches(_batches(side, number)), folder / f"{number}.parquet")


def _batches(side: str, number: int) -> Iterator[pa.RecordBatch]:
    keys = list(range(number * _ROWS, (number + 1) * _ROWS))
    random.Random(side).shuffle(keys)
    yield pa.record_batch({"key": keys, "text": [f"{side} {key:087d}" for key in keys]})


if __name__ == "__main__":
    run_command(main)
