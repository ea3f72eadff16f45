"""Finds notebooks, orders them by what they read and write, checks parameters, executes, archives.

Here is what can be known without a kernel. Execution is `lakelib.runner.batch.run_notebooks`: kept apart, because
papermill and SQLAlchemy take a second to import.
"""

from lakelib.runner.facts import CodeCell, Notebook, Parameter, find_notebooks, notebook_paths, read_notebook
from lakelib.runner.order import Graph, graph_of, mermaid, referred_tables, select, upstream_graph, waits_for
from lakelib.runner.parameters import Request, resolve

__all__ = [
    "CodeCell",
    "Graph",
    "Notebook",
    "Parameter",
    "Request",
    "find_notebooks",
    "graph_of",
    "mermaid",
    "notebook_paths",
    "read_notebook",
    "referred_tables",
    "resolve",
    "select",
    "upstream_graph",
    "waits_for",
]
