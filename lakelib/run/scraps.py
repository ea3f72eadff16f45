"""Events leave the kernel as scrapbook scraps.

Written in scrapbook's own notebook format (a display output of type application/scrapbook.scrap.json+json) instead of
through its `glue`: importing scrapbook imports papermill, which takes a second and belongs to the runner.
"""

from itertools import count
from typing import Final

from lakelib import events

__all__ = ["emitter"]

_MIME: Final = "application/scrapbook.scrap.json+json"
_numbers = count(1)


def emitter() -> events.Listener:
    """Shows nothing to a reader; `scrapbook.read_notebook(…).scraps` finds events as `lake/0001`, `lake/0002`, …

    They go where outputs go now, also while the notebook catches its own (`capture_output`).
    """
    from IPython.core.interactiveshell import InteractiveShell

    publisher = InteractiveShell.instance().display_pub

    def emit(event: events.Event) -> None:
        name = f"lake/{next(_numbers):04}"
        scrap = {"name": name, "data": events.as_dict(event), "encoder": "json", "version": 1}
        publisher.publish({_MIME: scrap}, metadata={"scrapbook": {"name": name, "data": True, "display": False}})

    return emit
