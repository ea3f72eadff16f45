"""Executed notebooks with their pages and receipts, at `<archive>/<layer>/<table>/<interval>/<run id>.*`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat import NotebookNode
from pydantic import ValidationError
from upath import UPath

from lakelib.errors import UsageError, damaged_receipt
from lakelib.files import write_whole
from lakelib.runner.receipt import Receipt, interval_name
from lakelib.runner.secrets import Scrubber

__all__ = ["Archived", "archived_run", "place", "receipts"]


@dataclass(frozen=True)
class Archived:
    """The three files of one run; each write is whole or not at all."""

    folder: UPath
    run_id: str

    @property
    def notebook(self) -> UPath:
        return self.folder / f"{self.run_id}.ipynb"

    @property
    def page(self) -> UPath:
        return self.folder / f"{self.run_id}.html"

    @property
    def receipt(self) -> UPath:
        return self.folder / f"{self.run_id}.json"

    def save_notebook(self, notebook: NotebookNode, receipt: Receipt, *, scrubber: Scrubber) -> None:
        """A scrubbed copy with the run's state in its metadata, on one line: it is written many times in a run."""
        write_whole(self.notebook, json.dumps(_clean(notebook, receipt, scrubber), ensure_ascii=False))

    def conclude(self, notebook: NotebookNode, receipt: Receipt, *, scrubber: Scrubber) -> Receipt:
        """Writes notebook and receipt for the last time, the receipt last; returns it as it was written."""
        ended = _scrubbed(receipt, scrubber)
        write_whole(self.notebook, nbformat.writes(_clean(notebook, ended, scrubber)))
        return self.save_receipt(ended, scrubber)

    def render_page(self) -> None:
        """Writes the page, made of the notebook and the receipt that lie in the archive."""
        # nbconvert takes as long to import as a small notebook to run: nothing waits for it.
        from lakelib.runner.page import render

        write_whole(self.page, render(self.read_notebook(), self.read_receipt()))

    def save_receipt(self, receipt: Receipt, scrubber: Scrubber) -> Receipt:
        """Returns the receipt as it was written."""
        clean = _scrubbed(receipt, scrubber)
        write_whole(self.receipt, clean.model_dump_json(indent=1))
        return clean

    def size_bytes(self) -> int:
        files = (self.page, self.notebook, self.receipt)
        return sum(file.stat().st_size for file in files if file.exists())

    def lines(self) -> Iterator[tuple[int, str]]:
        """Each line of the executed notebook, code, prose and text of outputs, with the number of its cell."""
        cells = self.read_notebook().cells if self.notebook.exists() else []
        for number, cell in enumerate(cells, 1):
            texts = [cell.source, *(_text(output) for output in cell.get("outputs", []))]
            yield from ((number, line) for text in texts for line in text.splitlines())

    def delete(self) -> None:
        """The receipt last: while it is there, the run is."""
        for file in (self.page, self.notebook, self.receipt):
            file.unlink(missing_ok=True)

    def read_notebook(self) -> NotebookNode:
        """Not validated: it was when it was written."""
        notebook: NotebookNode = nbformat.v4.reads(self.notebook.read_text(encoding="utf-8"))
        return notebook

    def existing_receipt(self) -> Receipt:
        """Raises UsageError where the archive has it no longer, DataError where it is damaged."""
        if not self.receipt.exists():
            raise UsageError(
                f"Run {self.run_id} was asked for; its receipt is no longer at {self.receipt}.",
                hint="`lake runs --rebuild` makes the list again from what the archive holds.",
            )
        return self.read_receipt()

    def read_receipt(self) -> Receipt:
        return _read_receipt(self.receipt)


def place(archive: UPath, table: str, *, interval: str, run_id: str) -> Archived:
    layer, _, name = table.partition(".")
    return Archived(archive / layer / name / interval, run_id)


def archived_run(row: Mapping[str, Any], archive: UPath) -> Archived:
    """The place of a run that the run store tells of."""
    interval = interval_name(row["start_date"], row["end_date"])
    return place(archive, row["table_name"], interval=interval, run_id=row["run_id"])


def receipts(archive: UPath) -> Iterator[Receipt]:
    """Every run's receipt; the run store is made again from these. Raises DataError where one is damaged."""
    yield from map(_read_receipt, archive.glob("*/*/*/*.json"))


def _read_receipt(path: UPath) -> Receipt:
    try:
        return Receipt.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        raise damaged_receipt(path, " ".join([*map(str, first["loc"]), first["msg"]])) from error
    except UnicodeDecodeError as error:
        raise damaged_receipt(path, str(error)) from error


def _text(output: NotebookNode) -> str:
    """What an output says in plain text: printed, shown as a value, or raised."""
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    return str(output.get("text") or output.get("data", {}).get("text/plain", ""))


def _clean(notebook: NotebookNode, receipt: Receipt, scrubber: Scrubber) -> NotebookNode:
    clean = scrubber.nest(_joined_streams(notebook))
    run = {
        "run_id": receipt.run_id,
        "table": receipt.table,
        "interval": receipt.interval,
        "status": receipt.status,
        "started_at": receipt.started_at,
        "finished_at": receipt.finished_at,
    }
    return NotebookNode({**clean, "metadata": {**clean["metadata"], "lake": run}})


def _scrubbed(receipt: Receipt, scrubber: Scrubber) -> Receipt:
    return Receipt.model_validate(scrubber.nest(receipt.model_dump(mode="json")))


def _joined_streams(notebook: NotebookNode) -> NotebookNode:
    """A flat copy in which printed text is whole: the kernel flushes by time, in the middle of a secret too."""
    return NotebookNode({**notebook, "cells": [_with_joined_streams(cell) for cell in notebook.cells]})


def _with_joined_streams(cell: NotebookNode) -> NotebookNode:
    return NotebookNode({**cell, "outputs": _joined(cell.outputs)}) if cell.cell_type == "code" else cell


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and last.output_type == output.output_type == "stream" and last.name == output.name:
            joined[-1] = NotebookNode({**last, "text": last.text + output.text})
        else:
            joined.append(output)
    return joined
