"""The page of an executed notebook: for a reader, with the code folded away, loading nothing from anywhere."""

from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

from nbconvert import HTMLExporter
from nbformat import NotebookNode
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
        html, _ = _exporter().from_notebook_node(_without_scraps(notebook), resources={"receipt": receipt})
    return str(html)


@cache
def _exporter() -> HTMLExporter:
    """Kept, because it compiles the templates."""
    return HTMLExporter(
        template_name="lake",
        extra_template_basedirs=[str(_TEMPLATES)],
        config=Config({"NbConvertBase": {"display_data_priority": _SHOWN}}),
    )


def _without_scraps(notebook: NotebookNode) -> NotebookNode:
    cells = [
        NotebookNode({**cell, "outputs": [output for output in cell.outputs if not is_scrap(output)]})
        if cell.cell_type == "code"
        else cell
        for cell in notebook.cells
    ]
    return NotebookNode({**notebook, "cells": cells})
