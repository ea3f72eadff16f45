"""One `lake run` an interval, one after the other."""

import subprocess
import sys
from collections.abc import Sequence

from benchmarks.ours import LAKE
from lakelib.intervals import Interval

__all__ = ["parse", "run_interval"]


def run_interval(interval: Interval) -> None:
    """All notebooks, as a scheduler would start them. This process ends with the command's exit code if it is not 0."""
    done = subprocess.run([LAKE, "run", "--from", str(interval.start), "--to", str(interval.end)], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def parse(texts: Sequence[str]) -> list[Interval]:
    """From FIRST..LAST, or a day alone."""
    ends = (text.partition("..") for text in texts)
    return [Interval.parse(first, last or first) for first, _, last in ends]


if __name__ == "__main__":
    for given in parse(sys.argv[1:]):
        run_interval(given)
