"""The page of an executed notebook: for a reader, with the code folded away, loading nothing from anywhere."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from bs4 import BeautifulSoup
from jinja2 import FileSystemBytecodeCache
from nbconvert import HTMLExporter
from nbconvert.exporters import TemplateExporter
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import Python3Lexer
from traitlets.config import Config

from lakelib.runner.receipt import Receipt
from lakelib.runner.scraps import is_scrap

__all__ = ["render"]

_TEMPLATES: Final = Path(__file__).with_name("templates")
# Scripts and widgets need a network or trust; the page's content security policy forbids both.
_SHOWN: Final = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]
_one_at_a_time: Final = Lock()


def render(notebook: NotebookNode, receipt: Receipt) -> str:
    """HTML that needs no other file; titles, prose and outputs in the notebook's order, headed by the run's state."""
    with _one_at_a_time:
        # The last step of HTMLExporter's own, which parses the page again, would take longer than all others together.
        html, _ = TemplateExporter.from_notebook_node(_exporter(), _shown(notebook), resources={"receipt": receipt})
    return str(html)


class _Exporter(HTMLExporter):
    """Does not validate the notebook: what Jupyter's format forbids in its metadata takes no page away."""

    def _preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        for preprocessor in self._preprocessors:
            nb, resources = preprocessor(nb, resources)
        return nb, resources


@cache
def _exporter() -> HTMLExporter:
    """Kept, because it compiles the templates; they are compiled once for all processes of this user."""
    exporter: HTMLExporter = _Exporter(  # type: ignore[no-untyped-call]
        template_name="lake",
        extra_template_basedirs=[str(_TEMPLATES)],
        config=Config({"NbConvertBase": {"display_data_priority": _SHOWN}, "Exporter": {"default_preprocessors": []}}),
    )
    # As Python in any case: for code with magics, IPython would be imported. One formatter, which makes a style sheet.
    lexer, formatter = Python3Lexer(), HtmlFormatter(cssclass="highlight hl-python3")
    exporter.register_filter("highlight_code", lambda source, **_: highlight(source or " ", lexer, formatter))
    with suppress(OSError, RuntimeError):  # there is no folder that only this user can write: then for each process
        exporter.environment.bytecode_cache = FileSystemBytecodeCache()
    return exporter


def _can_be_shown(output: NotebookNode) -> bool:
    return not is_scrap(output) and ("data" not in output or not output.data.keys().isdisjoint(_SHOWN))


def _shown(notebook: NotebookNode) -> NotebookNode:
    """A copy without lakelib's events, and without what a page can't show, which nbconvert would warn of."""
    cells = [
        NotebookNode({**cell, "outputs": [_closed(output) for output in cell.outputs if _can_be_shown(output)]})
        if cell.cell_type == "code"
        else cell
        for cell in notebook.cells
    ]
    # A notebook whose kernel was killed at once says nothing of its language, and a page needs its name.
    return NotebookNode({**notebook, "cells": cells, "metadata": NotebookNode(language_info={"name": "python"})})


def _closed(output: NotebookNode) -> NotebookNode:
    """An output whose HTML leaves nothing open that would swallow the rest of the page, such as a comment.

    A `meta` or `base` in it would lead the whole page to another, which no security policy forbids.
    """
    data = output.get("data", {})
    if "text/html" not in data:
        return output
    html = BeautifulSoup(data["text/html"], "html.parser")
    for element in html(["meta", "base"]):
        element.decompose()
    return NotebookNode({**output, "data": {**data, "text/html": str(html)}})
