"""Inside the kernel: a run's start, its interval, its charts and its summary card."""

from lakelib.run.charts import Chart, bar_chart, line_chart
from lakelib.run.starting import Run, start
from lakelib.run.summary import Summary

__all__ = ["Chart", "Run", "Summary", "bar_chart", "line_chart", "start"]
