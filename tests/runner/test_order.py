import pytest

from lakelib.errors import NotebookError, UsageError
from lakelib.runner import find_notebooks, mermaid, select, upstream_graph, waits_for
from tests.runner.projects import Project


@pytest.fixture
def line(project: Project) -> Project:
    """bronze.a → silver.b → gold.c, and silver.d beside them; names and files stand in another order."""
    project.notebook("gold.c", reads=["silver.b"])
    project.notebook("silver.b", reads=["bronze.a", "silver.b"])
    project.notebook("silver.d")
    project.notebook("bronze.a")
    return project


def _selected(project: Project, *names: str, with_upstream: bool = False) -> list[str]:
    notebooks = find_notebooks(project.folder)
    selected = select(notebooks, names, graph=upstream_graph(notebooks), with_upstream=with_upstream)
    return [str(notebook.table) for notebook in selected]


def test_a_notebook_comes_after_those_it_reads(line: Project) -> None:
    order = _selected(line)
    assert order.index("bronze.a") < order.index("silver.b") < order.index("gold.c")
    assert len(order) == 4


def test_a_layer_or_tables_are_selected(line: Project) -> None:
    assert set(_selected(line, "silver")) == {"silver.b", "silver.d"}
    assert _selected(line, "gold.c", "bronze.a") == ["bronze.a", "gold.c"]


def test_upstream_is_added_when_asked_for(line: Project) -> None:
    assert _selected(line, "gold", with_upstream=True) == ["bronze.a", "silver.b", "gold.c"]


def test_an_unselected_table_between_two_still_orders_them(line: Project) -> None:
    notebooks = find_notebooks(line.folder)
    graph = upstream_graph(notebooks)
    waits = waits_for(select(notebooks, ["gold.c", "bronze.a"], graph=graph), graph)
    assert waits == {"bronze.a": frozenset(), "gold.c": frozenset({"bronze.a"})}


def test_many_ways_from_table_to_table_take_no_time_each(project: Project) -> None:
    """Two tables a floor, each made of both below: forty floors have a billion ways through them."""
    for floor in range(40):
        for side in "ab":
            project.notebook(f"gold.{side}{floor}", reads=[f"gold.{below}{floor - 1}" for below in "ab" if floor])
    notebooks = find_notebooks(project.folder)
    assert len(waits_for(notebooks, upstream_graph(notebooks))["gold.a39"]) == 78


def test_an_unknown_name_gets_the_closest_one(line: Project) -> None:
    with pytest.raises(UsageError) as refused:
        _selected(line, "silver.bb")
    assert "Did you mean silver.b?" in refused.value.hint


def test_a_table_that_nobody_writes_is_refused(project: Project) -> None:
    project.notebook("bronze.flights")
    project.notebook("silver.a", reads=["bronze.flihts"])
    with pytest.raises(NotebookError, match="silver/a.ipynb reads bronze.flihts; no notebook writes it") as refused:
        _selected(project)
    assert "Did you mean bronze.flights?" in refused.value.hint


def test_a_circle_is_refused_by_its_members(project: Project) -> None:
    project.notebook("silver.a", reads=["silver.b"])
    project.notebook("silver.b", reads=["silver.a"])
    with pytest.raises(NotebookError, match="silver.[ab] → silver.[ab] → silver.[ab]"):
        _selected(project)


def test_quarantine_is_written_by_its_tables_notebook_and_platform_tables_by_none(project: Project) -> None:
    project.notebook("bronze.a")
    project.notebook("gold.rejected", reads=["quarantine.bronze__a", "bronze._manifest"])
    assert upstream_graph(find_notebooks(project.folder))["gold.rejected"] == {"bronze.a"}


def test_mermaid_shows_sources_and_tables(project: Project) -> None:
    project.notebook("bronze.a", 'ingest.csv("f_{date}.csv")')
    project.notebook("silver.a", reads=["bronze.a"])
    notebooks = find_notebooks(project.folder)
    assert mermaid(notebooks, upstream_graph(notebooks)).splitlines() == [
        "flowchart LR",
        '  source0[/"f_{date}.csv"/]',
        "  source0 --> bronze.a",
        "  bronze.a --> silver.a",
    ]
