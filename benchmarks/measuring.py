"""Commands measured side by side: interleaved, with the CPU time of everything that worked for them."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from rich.console import Console

from benchmarks.usage import Pids, Usage, adopt_orphans, children, left_behind, watched
from lakelib.errors import RunError, UsageError

__all__ = ["PROJECT", "SAMPLES", "Case", "Measured", "Sample", "chosen", "measure"]

PROJECT: Final = Path(__file__).parents[1]
SAMPLES: Final = "BENCHMARK_SAMPLES"
_CALIBRATION_STEPS: Final = 2_000_000
_TAIL_LINES: Final = 30

_console = Console(stderr=True, highlight=False)


def _nothing() -> None:
    return


def _no_residents() -> Sequence[int]:
    return ()


def _no_figures() -> Mapping[str, float]:
    return {}


@dataclass(frozen=True)
class Case:
    """One command, run as a child process once a round.

    Its whole process is one sample. A command that measures inside of itself writes samples to the file that the
    variable BENCHMARK_SAMPLES names, see `benchmarks.sampling`; then these count, and its process does not.

    `environment` goes over this process's variables. `prepare` is called before each run, unmeasured. `residents` names
    the processes that work for the case and may outlive it; what they and their children spend meanwhile counts.
    `examine` is called after each run, unmeasured: it raises when the result is wrong, and gives further figures.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = PROJECT
    prepare: Callable[[], object] = _nothing
    residents: Pids = _no_residents
    examine: Callable[[], Mapping[str, float]] = _no_figures


@dataclass(frozen=True)
class Sample:
    """`peak_bytes` is the proportional memory (PSS) of all processes at once, looked at once a second."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    load: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """Samples by case, and the machine's noise: load averages, and a fixed loop that was timed in every round."""

    samples: Mapping[str, Sequence[Sample]]
    calibration_seconds: Sequence[float]
    loads: Sequence[float]


def chosen(cases: Sequence[Case], names: Sequence[str]) -> Sequence[Case]:
    """The cases of these names; all where there are none.

    Raises:
        UsageError: no case has one of the names.
    """
    known = [case.name for case in cases]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"The cases {', '.join(unknown)} were asked for.", hint=f"The cases are {', '.join(known)}.")
    return [case for case in cases if not names or case.name in names]


def measure(cases: Sequence[Case], *, rounds: int, patience_seconds: float = 15.0) -> Measured:
    """Runs every case once a round; each round begins with another case, so that none has the best place.

    What a command leaves behind has `patience_seconds` to end: the Java of a notebook does.

    Raises:
        RunError: a command failed, with the end of its output, or left processes behind.
    """
    adopt_orphans()
    samples: dict[str, list[Sample]] = {case.name: [] for case in cases}
    calibration, loads = [], []
    for number in range(rounds):
        loads.append(os.getloadavg()[0])
        calibration.append(_calibrate())
        first = number % len(cases)
        for case in (*cases[first:], *cases[:first]):
            _console.print(f"round {number + 1} of {rounds}: {case.name:<28} ", end="", markup=False)
            found = _run(case, patience_seconds)
            samples[case.name] += found
            _console.print(_line(found), markup=False, soft_wrap=True)
    return Measured(samples, calibration, loads)


def _run(case: Case, patience_seconds: float) -> Sequence[Sample]:
    case.prepare()
    load, before = os.getloadavg()[0], children()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        inside, output = Path(folder) / "samples", Path(folder) / "output"
        began = time.perf_counter()
        with output.open("wb") as written, watched(case.residents) as usage:
            child = subprocess.Popen(
                list(case.command),
                cwd=case.folder,
                env={**os.environ, **case.environment, SAMPLES: str(inside)},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
            )
            usage.wait(child)
            left = left_behind(case.residents, before=before, patience_seconds=patience_seconds)
        wall = usage.ended_at - began
        _check(case, child.returncode, output)
        _check_ended(case, left)
        figures = case.examine()
        if inside.exists():
            return [_inner(line, usage, load, figures) for line in inside.read_text(encoding="utf-8").splitlines()]
        return [Sample(wall, usage.cpu_seconds, usage.peak_bytes, load, figures)]


def _inner(line: str, usage: Usage, load: float, figures: Mapping[str, float]) -> Sample:
    said: dict[str, float] = json.loads(line)
    return Sample(said.pop("wall_seconds"), said.pop("cpu_seconds"), usage.peak_bytes, load, {**figures, **said})


def _check(case: Case, code: int, output: Path) -> None:
    if code == 0:
        return
    tail = "\n".join(output.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])
    raise RunError(
        f"Case {case.name} was to be measured; its command ended with exit code {code}:\n{tail}",
        hint=f"Run it by hand in {case.folder}: {' '.join(case.command)}",
    )


def _check_ended(case: Case, left: Sequence[psutil.Process]) -> None:
    for process in left:
        process.kill()
    if left:
        names = ", ".join(f"{process.pid} {process.name()}" for process in left)
        raise RunError(
            f"Case {case.name} has ended; processes that it started go on and were killed: {names}.",
            hint="Name the processes that may outlive it in the case's `residents`.",
        )


def _calibrate() -> float:
    began = time.perf_counter()
    total = 0
    for step in range(_CALIBRATION_STEPS):
        total += step & 7
    return time.perf_counter() - began


def _line(samples: Sequence[Sample]) -> str:
    wall = statistics.median(sample.wall_seconds for sample in samples)
    cpu = statistics.median(sample.cpu_seconds for sample in samples)
    return f"{wall:8.3f} s wall  {cpu:8.3f} s cpu" + (f"  (median of {len(samples)})" if len(samples) > 1 else "")
