"""TPC-H from CSV to gold, two days: lakelib with all its checks, and the same work without it. All checksums equal."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer

from benchmarks.command import run_command
from benchmarks.measuring import Case, Measured, chosen, measure
from benchmarks.medallion.breakdown import show_parts
from benchmarks.medallion.cases import HERE, Place, all_cases, make_deliveries
from benchmarks.ours import own_residents
from benchmarks.peers import check_peers
from benchmarks.reporting import QUICK, RESULTS, report

_CACHE: Final = HERE.parent / ".cache"
_UNCHECKED: Final = ("duckdb-deltars", "polars-deltars")
_MOST_SCALE: Final = {"lakelogic-polars": 0.1}  # at 1 the kernel killed it for its memory, of 24 GiB
_MOST_SPARK_SECONDS: Final = 150  # at scale factor 1


def main(
    *,
    scale: Annotated[str, typer.Option(help="TPC-H scale factor: 0.1 is 600,000 lines, 1 is 6 million")] = "1",
    only: Annotated[list[str] | None, typer.Option(help="a case to run; may be repeated")] = None,
    rounds: Annotated[int, typer.Option(help="how often each case is run")] = 3,
    quick: Annotated[
        bool, typer.Option("--quick", help="once each at scale 0.01: shows that it works, its figures mean nothing")
    ] = False,
) -> None:
    """Measure CSV → bronze → silver → merge of changes → three gold tables."""
    check_peers()
    scale, rounds = ("0.01", 1) if quick else (scale, rounds)
    place = Place(_CACHE / "medallion", _CACHE / f"tpch-sf{scale}")
    cases = chosen(all_cases(place), only or _fitting(all_cases(place), float(scale)))
    make_deliveries(scale, place.deliveries)
    with _tidied(place):
        measured = measure(cases, rounds=rounds)
    ours = {name: _figures(samples) for name, samples in measured.samples.items() if name.startswith("ours")}
    report(
        f"medallion-sf{scale}",
        measured,
        title=f"TPC-H scale factor {scale}, two days from CSV to gold",
        shown_apart={part for samples in ours.values() for part in samples[0]},
        facts={"goals": _goals(measured) if scale == "1" else {}, "checksums": place.expected},
        results=QUICK if quick or only else RESULTS,
    )
    if ours:
        show_parts(ours)


@contextmanager
def _tidied(place: Place) -> Iterator[None]:
    """Lakes and whatever runs for them end with the benchmark; the deliveries stay for the next one."""
    try:
        with tempfile.TemporaryDirectory(prefix="medallion-") as runtime, own_residents(Path(runtime)):
            yield
    finally:
        shutil.rmtree(place.folder, ignore_errors=True)


def _fitting(cases: Sequence[Case], scale: float) -> list[str]:
    return [case.name for case in cases if scale <= _MOST_SCALE.get(case.name, scale)]


def _goals(measured: Measured) -> Mapping[str, bool]:
    found = {name: median(each.wall_seconds for each in samples) for name, samples in measured.samples.items()}
    unchecked = [found[name] for name in _UNCHECKED if name in found]
    goals = {}
    if "ours-embedded" in found and len(unchecked) == len(_UNCHECKED):
        goals["ours-embedded no slower than the fastest without checks"] = found["ours-embedded"] <= min(unchecked)
    if "ours-spark" in found:
        goals[f"ours-spark at most {_MOST_SPARK_SECONDS} s"] = found["ours-spark"] <= _MOST_SPARK_SECONDS
    return goals


def _figures(samples: Sequence[Any]) -> Sequence[Mapping[str, float]]:
    return [sample.figures for sample in samples]


if __name__ == "__main__":
    run_command(main)
