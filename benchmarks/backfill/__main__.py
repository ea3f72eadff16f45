"""The demonstration's year, loaded at once, month by month and day by day, on both engines."""

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, Final

import typer

from benchmarks.command import run_command
from benchmarks.measuring import PROJECT, Case, Measured, measure
from benchmarks.ours import own_residents, spark_pids
from benchmarks.reporting import QUICK, RESULTS, report
from lakelib.engine.spark_server import ensure_server
from lakelib.errors import RunError
from lakelib.intervals import Interval
from lakelib.settings import Settings, load_settings
from tests.line.oracles import mismatches

_ENGINES: Final = ("embedded", "spark")
_GOALS_SECONDS: Final = {"embedded-1": 15.0, "spark-1": 90.0}


@dataclass(frozen=True)
class Plan:
    """A span of the demonstration and the oracle of its last day; how it is cut, how many of its days are run alone."""

    span: Interval
    oracle: str
    parts: Sequence[Interval]
    sample: int

    @property
    def days(self) -> int:
        return len(list(self.span))


def _year() -> Plan:
    span = Interval.parse("2013-01-01", "2013-12-31")
    months = [list(days) for _, days in groupby(span, key=lambda day: day.month)]
    return Plan(span, "day_365", [Interval(days[0], days[-1]) for days in months], sample=10)


def _week() -> Plan:
    halves = [Interval.parse("2013-01-01", "2013-01-03"), Interval.parse("2013-01-04", "2013-01-07")]
    return Plan(Interval.parse("2013-01-01", "2013-01-07"), "day_007", halves, sample=2)


def main(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="a week: shows that it works, its figures mean nothing")
    ] = False,
    rounds: Annotated[int, typer.Option(help="how often each case is run")] = 3,
    engine: Annotated[list[str] | None, typer.Option(help="only this one")] = None,
) -> None:
    """Measure how long `lake run --from … --to …` takes from an empty lake to gold."""
    plan = _week() if quick else _year()
    with tempfile.TemporaryDirectory(prefix="lake-") as temporary:
        folder = Path(temporary)
        lakes = [load_settings(PROJECT, engine=name, lake=str(folder / name)) for name in engine or _ENGINES]
        with own_residents(folder, *lakes):
            cases = [case for settings in lakes for case in _cases(plan, settings)]
            measured = measure(cases, rounds=1 if quick else rounds)
    report(
        "backfill",
        measured,
        title=f"The demonstration, {plan.span}, from an empty lake to gold",
        goals={} if quick else _GOALS_SECONDS,
        facts=_facts(plan, measured),
        results=QUICK if quick or engine else RESULTS,
    )


def _cases(plan: Plan, settings: Settings) -> Sequence[Case]:
    module = [sys.executable, "-m"]
    whole, parts = [str(plan.span)], [str(part) for part in plan.parts]
    case = partial(
        Case,
        environment={"LAKE_LAKE": settings.lake, "LAKE_ENGINE": settings.engine, "JUPYTER_PREFER_ENV_PATH": "1"},
        prepare=lambda: _empty(settings),
        residents=lambda: spark_pids(settings),
        examine=lambda: _check(plan, settings),
    )
    return [
        case(f"{settings.engine}-1", [*module, "benchmarks.backfill.intervals", *whole]),
        case(f"{settings.engine}-{len(parts)}", [*module, "benchmarks.backfill.intervals", *parts]),
        case(f"{settings.engine}-day", [*module, "benchmarks.backfill.days", *whole, "--sample", str(plan.sample)]),
    ]


def _empty(settings: Settings) -> None:
    """A lake without anything but its running Spark server."""
    lake = Path(settings.lake)
    lake.mkdir(exist_ok=True)
    for path in lake.iterdir():
        if path.is_file():
            path.unlink()
        elif path != settings.engine_state:
            shutil.rmtree(path)
    if settings.engine == "spark":
        ensure_server(settings)


def _check(plan: Plan, settings: Settings) -> Mapping[str, float]:
    if found := mismatches(Path(settings.lake) / "warehouse", plan.oracle):
        raise RunError(
            f"{plan.span} was loaded on {settings.engine}; its tables differ from the oracle {plan.oracle}:\n"
            + "\n".join(found[:10]),
            hint="A figure for a wrong result means nothing; find out what is wrong first.",
        )
    return {}


def _facts(plan: Plan, measured: Measured) -> Mapping[str, Any]:
    return {
        "what": "`lake run --from … --to …` an interval: all notebooks; then the tables are compared with their oracle",
        "extrapolated": {
            f"{engine}-{plan.days}, s: mean of {plan.sample} days spread over the span, times {plan.days}": round(
                plan.days * mean(one.wall_seconds for one in measured.samples[f"{engine}-day"]), 1
            )
            for engine in _ENGINES
            if f"{engine}-day" in measured.samples
        },
    }


if __name__ == "__main__":
    run_command(main)
