"""How far a notebook is, in its metadata as papermill writes it, and when that is saved."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from jupyter_core.utils import ensure_event_loop
from nbformat import NotebookNode

from lakelib.runner.lean_papermill import NotebookExecutionManager

__all__ = ["Bookkeeping"]

_MOST_SAVING: Final = 0.1  # of the time, while events come: with each one the notebook grows
_UNSAVED_SECONDS: Final = 0.2  # most cells have ended by then, and the next one's start is saved with theirs


class Bookkeeping(NotebookExecutionManager):  # type: ignore[misc]  # papermill has no types
    """Saves the notebook through `save_notebook` when a cell has run for a moment, at the end, and by `save_soon`.

    Where saving is slow, that is later, with what came meanwhile. While it can't be saved, no cell starts.

    Cells that were never reached stay `pending`; papermill alone would call them completed.
    """

    def __init__(self, nb: NotebookNode, save_notebook: Callable[[NotebookNode], None]) -> None:
        super().__init__(nb, progress_bar=False, autosave_cell_every=0)
        self._save_notebook = save_notebook
        self._is_saved_later = False
        self._due: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._is_unsaved = False

    def save(self, **kwargs: Any) -> None:
        if self._is_saved_later:
            return
        if self._due is not None:
            self._due.cancel()
            self._due = None
        began = time.monotonic()
        self._save_notebook(self.nb)
        self._is_unsaved = False
        ended = time.monotonic()
        self._not_before = ended + (ended - began) / _MOST_SAVING

    def save_soon(self, *, within: float = 0.0) -> None:
        """In so many seconds, or where events come faster than notebooks are saved, later with what came meanwhile."""
        loop = ensure_event_loop()
        due = loop.time() + max(within, self._not_before - time.monotonic())
        if self._due is None or due < self._due.when():
            if self._due is not None:
                self._due.cancel()
            self._due = loop.call_at(due, self._save_due)

    def cell_start(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        if self._is_unsaved:
            self.save()
        with self._saved_later():
            super().cell_start(cell, cell_index, **kwargs)
        self.save_soon(within=_UNSAVED_SECONDS)

    def cell_complete(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        """Not saved: the start of the next cell sees to that, or the end of the notebook, which follow at once."""
        with self._saved_later():
            super().cell_complete(cell, cell_index, **kwargs)

    def notebook_complete(self, **kwargs: Any) -> None:
        pending = [cell for cell in self.nb.cells if cell.metadata.papermill["status"] == self.PENDING]
        super().notebook_complete(**kwargs)
        for cell in pending:
            cell.metadata.papermill["status"] = self.PENDING
        if pending:
            self.save()

    def _save_due(self) -> None:
        try:
            self.save()
        except Exception:  # noqa: BLE001 -- the loop would only print it; the next cell's start raises it, or none does
            self._is_unsaved = True

    @contextmanager
    def _saved_later(self) -> Iterator[None]:
        self._is_saved_later = True
        try:
            yield
        finally:
            self._is_saved_later = False
