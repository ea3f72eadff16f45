import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from lakelib.errors import NotebookError
from lakelib.runner import Parameter, find_notebooks
from tests.runner.projects import Project


def test_parameters_have_annotation_default_and_help(project: Project) -> None:
    project.notebook("bronze.a", parameters='day: date = "2013-01-01"  # the day\nlimit = 3\nname: str')
    [notebook] = find_notebooks(project.folder)
    assert notebook.parameters == [
        Parameter("day", "date", "2013-01-01", False, "the day"),
        Parameter("limit", "", 3, False, ""),
        Parameter("name", "str", None, True, ""),
    ]


def test_reads_sources_target_and_title_are_read_from_the_code(project: Project) -> None:
    project.notebook(
        "silver.a",
        'x = tables.read("bronze.b", delivered=1).join(tables.read("bronze.a"))',
        'ingest.csv("f_{date}.csv")',
    )
    [notebook] = find_notebooks(project.folder)
    assert (list(notebook.reads), list(notebook.sources)) == (["bronze.b", "bronze.a"], ["f_{date}.csv"])
    assert (str(notebook.table), notebook.title) == ("silver.a", "Title of silver.a")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\ntables.read(name)", "notebooks/bronze/a.ipynb, cell 4, line 2: tables.read wants its name as a text"),
        ('tables.read("Bronze.b")', "cell 4, line 1: A table was asked for as 'Bronze.b'"),
        ("ingest.csv(folder + 'f.csv')", "found folder + 'f.csv'"),
        ('start("bronze.a")', "calls start 2 times"),
        ("%matplotlib inline", "cell 4, line 1 is not Python: %matplotlib inline"),
    ],
)
def test_what_cannot_be_known_before_a_run_is_refused_with_its_place(project: Project, code: str, said: str) -> None:
    project.notebook("bronze.a", code)
    with pytest.raises(NotebookError) as refused:
        find_notebooks(project.folder)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("day: date = date.today()", "line 1: the default date.today() is not a literal"),
        ("names: dict[str, int] = {[1]: 2}", "line 1: the default {[1]: 2} is not a literal"),
        ("import os", "line 1: the parameters cell holds 'import os'"),
    ],
)
def test_a_parameters_cell_holds_only_typed_literals(project: Project, parameters: str, said: str) -> None:
    project.notebook("bronze.a", parameters=parameters)
    with pytest.raises(NotebookError, match="cell 3") as refused:
        find_notebooks(project.folder)
    assert said in refused.value.message


def test_a_file_is_named_as_the_table_it_starts(project: Project) -> None:
    project.file("bronze.a", [new_code_cell('start("bronze.b")')])
    with pytest.raises(NotebookError, match="starts bronze.b; its file is named for bronze.a"):
        find_notebooks(project.folder)


def test_two_notebooks_cannot_write_one_table(project: Project) -> None:
    project.notebook("bronze.a")
    project.file("silver.a", [new_code_cell('start("bronze.a")')])
    with pytest.raises(NotebookError, match="written by 2 notebooks: bronze/a.ipynb, silver/a.ipynb"):
        find_notebooks(project.folder)


def test_a_notebook_that_starts_nothing_is_refused(project: Project) -> None:
    project.file("bronze.a", [new_markdown_cell("# Only text")])
    with pytest.raises(NotebookError, match="calls start 0 times"):
        find_notebooks(project.folder)


def test_a_broken_file_is_named(project: Project) -> None:
    project.notebook("bronze.a").write_text("{")
    with pytest.raises(NotebookError, match=r"notebooks/bronze/a\.ipynb"):
        find_notebooks(project.folder)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"cells": [], "metadata": {}, "nbformat": 5}',
        '{"cells": null, "metadata": {}, "nbformat": 4}',
        '{"cells": [], "nbformat": 4}',
        '{"cells": [1], "metadata": {}, "nbformat": 4}',
        '{"cells": [{"cell_type": "code", "metadata": {}}], "metadata": {}, "nbformat": 4}',
        '{"cells": [{"cell_type": "heading", "metadata": {}, "source": ""}], "metadata": {}, "nbformat": 4}',
        '{"cells": [{"cell_type": "code", "metadata": {"tags": null}, "source": ""}], "metadata": {}, "nbformat": 4}',
        r'{"cells": [{"cell_type": "raw", "metadata": {}, "source": "\ud800"}], "metadata": {}, "nbformat": 4}',
        "[" * 100_000,
    ],
)
def test_what_is_no_notebook_is_refused_before_it_runs(project: Project, text: str) -> None:
    project.notebook("bronze.a").write_text(text)
    with pytest.raises(NotebookError, match=re.escape("notebooks/bronze/a.ipynb was read as a notebook and is none: ")):
        find_notebooks(project.folder)


def test_code_that_python_gives_up_on_is_named(project: Project) -> None:
    project.notebook("bronze.a", "x = " + "+".join("1" * 20_000))
    with pytest.raises(NotebookError, match=r"notebooks/bronze/a.ipynb, cell 4 can't be read as Python"):
        find_notebooks(project.folder)


@pytest.mark.parametrize("default", ["{[]: 1}", "...", r"'\ud800'"])
def test_a_default_that_no_receipt_could_tell_is_refused(project: Project, default: str) -> None:
    project.notebook("bronze.a", parameters=f"name = {default}")
    with pytest.raises(NotebookError, match="is not a literal"):
        find_notebooks(project.folder)


def test_a_project_without_notebooks_is_refused(project: Project) -> None:
    with pytest.raises(NotebookError, match="there are none"):
        find_notebooks(project.folder)


def test_dates_of_start_must_be_parameters(project: Project) -> None:
    start = 'start("silver.things", start_date=start_date, end_date=end_date)'
    dates = 'start_date = end_date = "2013-01-01"'
    project.file("silver.things", [new_markdown_cell("# Things"), new_code_cell(dates), new_code_cell(start)])
    with pytest.raises(NotebookError, match="start is given end_date, start_date, which is no parameter"):
        find_notebooks(project.folder)


@pytest.mark.parametrize("cells", ["null", "[1]", "[{}]", '[{"cell_type": "code"}]', '[{"metadata": null}]'])
def test_a_file_whose_cells_are_none_is_named(project: Project, cells: str) -> None:
    project.notebook("bronze.a").write_text(f'{{"cells": {cells}}}')
    with pytest.raises(NotebookError, match="bronze/a.ipynb was read as a notebook and is none"):
        find_notebooks(project.folder)
