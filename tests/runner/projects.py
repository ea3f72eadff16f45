"""A tiny project in a folder: notebooks that need no engine, executed by the real runner on the real kernel."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pyarrow as pa
from deltalake import write_deltalake
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lakelib import events
from lakelib.runner.batch import run_notebooks
from lakelib.runner.results import RunResult
from lakelib.settings import Settings, load_settings
from tests.lake_command import LAKE, lake

STANDINS = """
from datetime import date
start = str
class ingest: csv = str
class tables: read = str
"""
DATES = 'start_date: date = "2013-01-01"  # first day\nend_date: date = "2013-01-01"  # last day'


@dataclass(frozen=True)
class Project:
    folder: Path

    @classmethod
    def create(cls, folder: Path, conf: str = "parallel: 2") -> "Project":
        for name in ("conf", "contracts", "notebooks/bronze", "notebooks/silver", "notebooks/gold"):
            (folder / name).mkdir(parents=True)
        (folder / "conf" / "local.yml").write_text(conf)
        return cls(folder)

    def notebook(self, table: str, *code: str, reads: Sequence[str] = (), parameters: str = "") -> Path:
        """A title, stand-ins for lakelib's verbs, parameters, `start` with reads and a write, then the code cells."""
        written = emitting(0, events.Published(table, "merge", 0, 0, 0, 0, False, 0.0))
        steps = [f'start("{table}")', *(f'tables.read("{read}")' for read in reads), written]
        tagged = [new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
        cells = [new_markdown_cell(f"# Title of {table}"), new_code_cell(STANDINS), *tagged]
        cells += [new_code_cell(source) for source in ("\n".join(steps), *code)]
        self.contract(table)
        return self.file(table, cells)

    def contract(self, table: str, **column: Any) -> Path:
        """Promises one column, with what `column` says of it."""
        path = self.folder / "contracts" / f"{table.replace('.', '/')}.yml"
        path.parent.mkdir(exist_ok=True)
        head = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": table, "version": "1.0.0", "status": "active"}
        properties = [{"name": "name", "physicalType": "string"} | column]
        path.write_text(json.dumps(head | {"schema": [{"name": table, "properties": properties}]}, indent=1))
        return path

    def file(self, table: str, cells: Sequence[Any]) -> Path:
        path = self.folder / "notebooks" / f"{table.replace('.', '/')}.ipynb"
        path.write_text(nbformat.writes(new_notebook(cells=list(cells))))
        return path

    @property
    def settings(self) -> Settings:
        return load_settings(self.folder)

    def run(self, *selection: str, **options: Any) -> dict[str, RunResult]:
        return {result.table: result for result in run_notebooks(self.settings, selection, **options)}

    def lake(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return lake(*arguments, **self._place(env))

    def lake_started(self, *arguments: str) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        return subprocess.Popen([LAKE, *arguments], stdout=pipe, stderr=pipe, text=True, **self._place({}))

    def _place(self, env: dict[str, str]) -> dict[str, Any]:
        return {"cwd": self.folder, "env": os.environ | {"LAKE_PROJECT": str(self.folder)} | env}


def committed(project: Project) -> str:
    """Commits the project as it is now; the revision."""
    git = ["git", "-C", str(project.folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init"], ["add", "conf", "contracts", "notebooks"], ["commit", "-m", "as it is"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def emitting(number: int, event: events.Event) -> str:
    """Code that publishes the event as lakelib does, without importing lakelib in the kernel."""
    name = f"lake/{number:04}"
    scrap = {"name": name, "data": dict(events.as_dict(event)), "encoder": "json", "version": 1}
    return (
        "from IPython.display import publish_display_data\n"
        f"publish_display_data({{'application/scrapbook.scrap.json+json': {scrap!r}}}, "
        f"metadata={{'scrapbook': {{'name': {name!r}, 'data': True, 'display': False}}}})"
    )


def write_table(project: Project, table: str) -> str:
    """One more version of a real table; where it is."""
    path = str(project.settings.warehouse / table.replace(".", "/"))
    write_deltalake(path, pa.table({"name": ["a"]}), mode="append")
    return path


def until(is_so: Callable[[], object], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
