"""Finds notebooks, orders them by what they read and write, checks parameters, executes, archives.

Here is what can be known without a kernel. Execution is `lakelib.runner.batch.run_notebooks`: kept apart, because
papermill and SQLAlchemy take a second to import.
"""

from lakelib.runner.facts import CodeCell, Notebook, Parameter, find_notebooks
from lakelib.runner.order import mermaid, select, upstream_graph, waits_for
from lakelib.runner.parameters import Request, resolve

__all__ = [
    "CodeCell",
    "Notebook",
    "Parameter",
    "Request",
    "find_notebooks",
    "mermaid",
    "resolve",
    "select",
    "upstream_graph",
    "waits_for",
]
