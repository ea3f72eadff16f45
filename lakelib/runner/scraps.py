"""lakelib's events in an executed notebook: scrapbook's format, read without scrapbook.

Scrapbook's own reader gives the same (a test compares them), but imports pandas, and it wants a whole notebook where
the runner looks at each output as it arrives.
"""

from collections.abc import Mapping
from typing import Any, Final

from nbformat import NotebookNode

from lakelib.events import is_event

__all__ = ["is_scrap", "published_events"]

MIME: Final = "application/scrapbook.scrap.json+json"


def is_scrap(output: NotebookNode) -> bool:
    return MIME in output.get("data", {})


def published_events(notebook: NotebookNode) -> list[Mapping[str, Any]]:
    """The events that lakelib published while the notebook ran, in their order, as `events.as_dict` made them.

    Scraps that the notebook glued itself are none, whatever their name.
    """
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []) if is_scrap(output))
    scraps = (output["data"][MIME] for output in outputs)
    return list({scrap["name"]: scrap["data"] for scrap in scraps if _is_ours(scrap)}.values())


def _is_ours(scrap: Any) -> bool:
    return isinstance(scrap, Mapping) and str(scrap.get("name")).startswith("lake/") and is_event(scrap.get("data"))
