"""For commands that measure inside of themselves: a resident process that does the same work again and again.

Needs nothing but the standard library and psutil, so that the peers' environment can use it too.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.usage import Pids, adopt_orphans, children, cpu_seconds, left_behind

__all__ = ["sample", "sampled", "write_samples"]

_PATIENCE_SECONDS: Final = 15.0

Work = Callable[[], Mapping[str, float]]


def _nothing() -> None:
    return


def sample(work: Work, *, times: int, residents: Pids = lambda: (), prepare: Callable[[], object] = _nothing) -> None:
    """Does the work once unmeasured, then `times` times, each one sample of the case; `prepare` is called before each.

    The samples are those of `sampled`, written to the file that BENCHMARK_SAMPLES names.
    """
    samples = []
    for _ in range(times + 1):
        prepare()
        samples.append(sampled(work, residents=residents))
    write_samples(samples[1:])


def sampled(work: Work, *, residents: Pids = lambda: ()) -> Mapping[str, float]:
    """Does the work once: its wall seconds, the figures that it returns, and the CPU seconds that were spent on it.

    These are this process's, its descendants' and the residents'.
    """
    adopt_orphans()
    there, before, began = children(), _spent(residents), time.perf_counter()
    figures = work()
    wall = time.perf_counter() - began
    left_behind(residents, before=there, patience_seconds=_PATIENCE_SECONDS)
    return {"wall_seconds": wall, "cpu_seconds": _spent(residents) - before, **figures}


def write_samples(samples: Sequence[Mapping[str, float]]) -> None:
    """To the file that BENCHMARK_SAMPLES names, for the benchmark that started this process."""
    written = Path(os.environ["BENCHMARK_SAMPLES"])
    written.write_text("".join(f"{json.dumps(one)}\n" for one in samples), encoding="utf-8")


def _spent(residents: Pids) -> float:
    return cpu_seconds([os.getpid(), *residents()])
