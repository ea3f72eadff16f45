"""What one small notebook costs: papermill with PySpark as it is used today, and lakelib's runner."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer

from benchmarks.command import run_command
from benchmarks.measuring import Measured, chosen, measure
from benchmarks.notebook_overhead.cases import Place, all_cases, prepare_place, warming_cases
from benchmarks.notebook_overhead.notebooks import AGGREGATE
from benchmarks.ours import own_residents
from benchmarks.peers import check_peers
from benchmarks.reporting import QUICK, RESULTS, report
from lakelib.engine.spark_server import ensure_server
from lakelib.settings import load_settings

_GOALS_SECONDS: Final = {"ours-warm": 0.25, "ours-no-session": 0.15, "make-run": 8.0}
_PEER_SECONDS: Final = 12.0  # that fresh-pyspark-delta took on the machine for which the goals were set
_COMPARED: Final = (
    ("fresh-pyspark-delta", "ours-warm"),
    ("fresh-pyspark-delta-api", "ours-warm"),
    ("fresh-pyspark-delta", "ours-cli"),
    ("resident-plain-kernel-api", "ours-spark-warm"),
    ("resident-plain-kernel", "ours-spark-cli"),
    ("no-session-plain-kernel-api", "ours-no-session"),
)
_WHAT: Final = {
    "notebook": "parameters, session, an aggregate over 1,000 rows shown as a table; the -no-session ones, no session",
    "fresh-pyspark-delta": "the command `papermill`, plain kernel, a new PySpark session with Delta, default settings",
    "resident-plain-kernel": "the command `papermill`, plain kernel, a session on a resident Spark Connect server",
    "…-api": "the same notebook by papermill's API in a process that stays: no start of papermill is in it",
    "ours-warm": "run_notebooks in a process that stays: one notebook, archive (notebook, page, receipt) and run store",
    "ours-cold": "the same, without a zygote to fork the kernel from",
    "ours-spark-warm": "as ours-warm, on the resident Spark server",
    "ours-cli": "the command `lake run TABLE`, from its start to its end; ours-spark-cli on the resident Spark server",
    "make-run": "`make run` on a new lake with nothing resident: 22 notebooks, the demonstration's week, and a query",
}


def main(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="once each: shows that it works, its figures mean nothing")
    ] = False,
    rounds: Annotated[int, typer.Option(help="how often each case is run")] = 7,
    times: Annotated[int, typer.Option(help="notebooks a round in a process that stays")] = 3,
    only: Annotated[list[str] | None, typer.Option(help="a case to run; may be repeated")] = None,
    work: Annotated[
        typer.FileText | None, typer.Option(help="Python for the cell that works: it has `spark`, and functions as `F`")
    ] = None,
) -> None:
    """Measure what a notebook of parameters, session and a 1,000-row aggregate costs."""
    check_peers()
    with _place(work.read() if work else AGGREGATE) as place:
        cases = chosen(all_cases(place, times=1 if quick else times), only or [])
        if (warming := warming_cases(cases)) and not quick:
            measure(warming, rounds=1)
        measured = measure(cases, rounds=1 if quick else rounds)
        report(
            "notebook-overhead",
            measured,
            title="One small notebook, start to end: papermill with PySpark, and lakelib",
            goals={} if work else _GOALS_SECONDS,
            facts=_facts(measured) | ({"work": work.name} if work else {}),
            results=QUICK if quick or only or work else RESULTS,
        )


@contextmanager
def _place(work: str) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="lake-") as temporary:
        folder = Path(temporary)
        prepare_place(folder, work)
        settings = load_settings(folder)
        with own_residents(folder, settings):
            yield Place(folder, settings, ensure_server(settings))


def _facts(measured: Measured) -> Mapping[str, Any]:
    found = {name: median(one.wall_seconds for one in samples) for name, samples in measured.samples.items()}
    times = {f"{peer} / {ours}": found[peer] / found[ours] for peer, ours in _COMPARED if {peer, ours} <= found.keys()}
    return {
        "what": _WHAT,
        "times_faster": {name: round(value, 1) for name, value in times.items()},
        "goals": _goals_on_this_machine(found),
    }


def _goals_on_this_machine(found: Mapping[str, float]) -> Mapping[str, bool]:
    """Seconds of the goals as this machine counts them, by what today's practice takes on it."""
    factor = found.get("fresh-pyspark-delta", 0.0) / _PEER_SECONDS
    ours = [name for name in _GOALS_SECONDS if factor and name in found]
    return {
        f"{name} at most {_GOALS_SECONDS[name] * factor:.2f} s: {_GOALS_SECONDS[name]:g} s where fresh-pyspark-delta "
        f"takes {_PEER_SECONDS:g}": found[name] <= _GOALS_SECONDS[name] * factor
        for name in ours
    }


if __name__ == "__main__":
    run_command(main)
