"""Inside the kernel: a run's start, its interval and its summary card."""

from lakelib.run.starting import Run, start
from lakelib.run.summary import Summary

__all__ = ["Run", "Summary", "start"]
