import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
import pytest
from deltalake import DeltaTable

from lakelib import context
from lakelib.engine import Engine
from lakelib.names import TableName
from lakelib.runner import Notebook, find_notebooks, select, upstream_graph

ROOT = Path(__file__).parents[2]
LANDING = ROOT / "data" / "landing"
WRITES = re.compile(r"^tables\.(?:load|append|replace|merge|overwrite|snapshot)\(", re.MULTILINE)
FOLDERS = {
    "flights": "flights",
    "weather": "weather",
    "airports": "airports",
    "fleet": "planes",
    "airlines.xml": "carriers",
    "metaZones.xml": "timezones",
}


@cache
def _notebooks(only: tuple[str, ...] = ()) -> list[Notebook]:
    notebooks = find_notebooks(ROOT)
    return select(notebooks, only, graph=upstream_graph(notebooks))


@dataclass
class Line:
    """The demonstration in a temporary project; its notebooks' cells are executed in this process.

    That they also run in kernels of their own is tested elsewhere: here many runs matter.
    """

    project: Path
    engine: Engine

    @property
    def warehouse(self) -> Path:
        return self.project / ".lake" / "warehouse"

    def run(self, start: str, end: str | None = None, *, only: list[str] | None = None) -> None:
        for notebook in _notebooks(tuple(only or ())):
            self._execute(notebook.path, start, end or start)

    def _execute(self, path: Path, start: str, end: str) -> None:
        """Up to the cell that writes: what a notebook shows after it is compared by nbval."""
        names: dict[str, object] = {}
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        last = max(number for number, cell in enumerate(cells) if WRITES.search(cell.source))
        for cell in cells[: last + 1]:
            exec(compile(cell.source, path.name, "exec"), names)
            if "parameters" in cell.metadata.get("tags", []):
                names |= {"start_date": start, "end_date": end}

    def deliver(self, *files: Path | str) -> None:
        """Copies files below landing: a Path as `<folder of its kind>/<name>`, a name from the demonstration's own."""
        for file in files:
            source = LANDING / file if isinstance(file, str) else file
            kind = FOLDERS[source.name.split("_")[0]]
            target = self.project / "landing" / kind / source.parent.name / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)

    def version(self, table: str) -> int | None:
        return self.engine.version(TableName.parse(table).path(context.current().settings.warehouse))

    def read(self, table: str) -> list[dict[str, object]]:
        path = TableName.parse(table).path(context.current().settings.warehouse)
        if self.engine.version(path) is None:
            return []
        rows: list[dict[str, object]] = DeltaTable(path).to_pyarrow_table().to_pylist()
        return rows


@pytest.fixture
def new_line(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["NewLine"]:
    yield NewLine(engine, tmp_path, monkeypatch)
    context.end()


@dataclass
class NewLine:
    """Makes an empty lake of the demonstration's contracts, `landing` either the demonstration's or a new folder."""

    engine: Engine
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    made: int = 0

    def __call__(self, *, landing: Path | None = None, engine: Engine | None = None) -> Line:
        self.made += 1
        project = self.folder / f"lake{self.made}"
        (project / "conf").mkdir(parents=True)
        (project / "landing").mkdir()
        (project / "conf" / "local.yml").write_text(f"landing: {landing or project / 'landing'}\n")
        (project / "contracts").symlink_to(ROOT / "contracts")
        self.monkeypatch.setenv("LAKE_PROJECT", str(project))
        context.end()
        context.begin(TableName("gold", "any"), None).engine = engine or self.engine
        return Line(project, engine or self.engine)
