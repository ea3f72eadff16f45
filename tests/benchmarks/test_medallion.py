"""The benchmark's own project is one of ours: its notebooks are in style, and each table has its contract."""

from pathlib import Path

import nbformat
import pytest

from benchmarks.medallion.cases import HERE
from lakelib.contracts import load_contract
from lakelib.names import TableName
from lakelib.runner.facts import find_notebooks
from lakelib.runner.order import select, upstream_graph
from tests.architecture.notebook_style import problems

PROJECT = HERE / "project"
NOTEBOOKS = sorted((PROJECT / "notebooks").rglob("*.ipynb"))


def table(notebook: Path) -> str:
    return f"{notebook.parent.name}.{notebook.stem}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=table)
def test_each_notebook_is_in_style(path: Path) -> None:
    assert problems(nbformat.read(path, as_version=4), table=table(path)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=table)
def test_each_table_has_a_contract(path: Path) -> None:
    assert str(load_contract(TableName.parse(table(path)), PROJECT / "contracts").name) == table(path)


def test_the_line_goes_from_bronze_to_gold() -> None:
    notebooks = find_notebooks(PROJECT)
    layers = [each.path.parent.name for each in select(notebooks, [], graph=upstream_graph(notebooks))]
    assert layers == ["bronze", "silver", "gold", "gold", "gold"]
