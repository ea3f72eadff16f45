"""The rules hold for each notebook of the project, and each rule finds what it forbids."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.architecture.notebook_style import RULES, problems
from tests.architecture.project_files import PROJECT

NOTEBOOKS = sorted((PROJECT / "notebooks").rglob("*.ipynb"))
TITLE, IMPORTS, PARAMETERS, START, WHY, STEP, RESULT = range(7)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_each_notebook_is_in_style(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert problems(notebook, table=f"{path.parent.name}.{path.stem}") == []


def test_there_are_notebooks_in_every_layer() -> None:
    assert {path.parent.name for path in NOTEBOOKS} == {"bronze", "silver", "gold"}


def ran(source: str, *outputs: NotebookNode, tags: tuple[str, ...] = ()) -> NotebookNode:
    return new_code_cell(source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags)})


def shown(text: str) -> NotebookNode:
    return new_output("execute_result", data={"text/plain": text}, execution_count=1)


def sound() -> NotebookNode:
    """A notebook that breaks no rule."""
    cells = [
        new_markdown_cell("# Fares, clean\nOne row a fare. Rerunning an interval changes nothing."),
        ran("from lakelib import start, tables"),
        ran('start_date: str = "2013-01-01"\nrate: float = -0.5', tags=("parameters",)),
        ran('run = start("silver.fares", start_date=start_date, end_date=start_date)'),
        new_markdown_cell("The newest report counts.\nThe others stay in bronze."),
        ran('fares = tables.read("bronze.fares")\nfares.limit(1).toPandas()', shown("2013-01-01 05:00")),
        ran("run.summary()", shown("published 3 rows")),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "lake", "display_name": "lake"}})


def test_a_sound_notebook_breaks_no_rule() -> None:
    assert problems(sound(), table="silver.fares") == []


Change = Callable[[NotebookNode], object]


def source(cell: int, text: str) -> Change:
    return lambda notebook: notebook.cells[cell].update(source=text)


def output(cell: int, result: NotebookNode) -> Change:
    return lambda notebook: notebook.cells[cell].outputs.append(result)


BROKEN: list[tuple[str, Change]] = [
    ("title_says_row_and_rerun", source(TITLE, "Fares")),
    ("title_says_row_and_rerun", source(TITLE, "# Fares\nRerunning changes nothing.")),
    ("title_says_row_and_rerun", source(TITLE, "# Fares\nOne row a fare.")),
    ("order_is_kept", lambda notebook: notebook.cells.insert(1, new_markdown_cell("Now the imports."))),
    ("order_is_kept", lambda notebook: notebook.cells.__delitem__(slice(START, RESULT))),
    ("imports_are_the_first_code_cell", source(IMPORTS, "from lakelib import start, tables\nfares = 1")),
    ("imports_are_the_first_code_cell", source(STEP, "import json")),
    ("parameters_are_the_second_code_cell", lambda notebook: notebook.cells[PARAMETERS].metadata.tags.clear()),
    ("parameters_are_the_second_code_cell", lambda notebook: notebook.cells[STEP].metadata.tags.append("parameters")),
    ("parameters_are_typed_literals", source(PARAMETERS, 'start_date = "2013-01-01"')),
    ("parameters_are_typed_literals", source(PARAMETERS, "start_date: date = date(2013, 1, 1)")),
    ("start_names_the_table_of_the_file", source(START, 'run = start("silver.fees")')),
    ("start_names_the_table_of_the_file", source(START, 'name = "silver.fares"\nrun = start(name)')),
    ("start_names_the_table_of_the_file", source(START, "rows = 1")),
    ("start_names_the_table_of_the_file", source(STEP, 'start("silver.fares")')),
    ("markdown_stands_before_each_step", lambda notebook: notebook.cells.pop(WHY)),
    ("a_line_is_one_sentence", source(WHY, "The newest report counts. The others stay.")),
    ("result_is_the_summary", source(RESULT, "run")),
    ("result_is_the_summary", lambda notebook: notebook.cells.append(new_markdown_cell("The end."))),
    ("cells_are_short", source(STEP, "rows = 1\n" * 16)),
    ("is_plain_python", source(STEP, "%time rows = 1")),
    ("is_plain_python", source(STEP, "%%time\nrows = 1")),
    ("is_plain_python", source(STEP, "!ls")),
    ("is_plain_python", source(STEP, "# later")),
    ("is_plain_python", source(STEP, "")),
    ("has_no_logic_of_its_own", source(STEP, "def clean(rows):\n    return rows")),
    ("has_no_logic_of_its_own", source(STEP, "class Fare:\n    rows = 1")),
    ("has_no_logic_of_its_own", source(STEP, "for row in []:\n    row")),
    ("has_no_logic_of_its_own", source(STEP, "while False:\n    pass")),
    ("has_no_logic_of_its_own", source(STEP, "try:\n    rows = 1\nfinally:\n    rows = 2")),
    ("has_no_logic_of_its_own", source(STEP, "print(1)")),
    ("has_no_logic_of_its_own", source(STEP, "get_ipython()")),
    ("installs_nothing", source(WHY, "Needs `pip install fares`.")),
    ("has_no_secret_or_machine", source(STEP, 'password = "' + 'correct-horse"')),
    ("has_no_secret_or_machine", output(STEP, shown("/ho" + "me/anna/lake/fares.csv"))),
    ("has_no_absolute_path", source(STEP, 'rows = "/data/fares.csv"')),
    ("has_no_absolute_path", source(STEP, 'rows = "~/fares.csv"')),
    ("is_stored_with_outputs", lambda notebook: notebook.cells[STEP].update(execution_count=None)),
    ("is_stored_with_outputs", lambda notebook: notebook.cells[RESULT].outputs.clear()),
    ("outputs_are_no_errors", output(STEP, new_output("error", ename="ValueError", evalue="", traceback=[]))),
    ("outputs_are_no_errors", output(STEP, new_output("stream", name="stderr", text="WARN"))),
    ("outputs_are_bounded", output(STEP, shown("row\n" * 41))),
    ("outputs_are_bounded", output(STEP, new_output("stream", text="row\n" * 41))),
    ("outputs_name_no_run", output(STEP, shown("interactive-20130105T101500-a1b2c3"))),
    ("outputs_name_no_run", output(STEP, shown("fare  _run_id\n  1.0     x"))),
    ("outputs_name_no_run", output(STEP, shown("<Run at 0x7f0a1b2c3d>"))),
    ("outputs_name_no_run", output(STEP, shown("2026-11-24 15:06:00"))),
    ("metadata_tells_no_run", lambda notebook: notebook.metadata.kernelspec.update(name="python3")),
    ("metadata_tells_no_run", lambda notebook: notebook.metadata.update(papermill={"version": "2"})),
    ("metadata_tells_no_run", lambda notebook: notebook.cells[STEP].metadata.update(execution={"busy": "2026"})),
]


@pytest.mark.parametrize(("rule", "change"), BROKEN)
def test_a_broken_rule_is_found(rule: str, change: Change) -> None:
    notebook = sound()
    change(notebook)
    assert rule in {problem.rule for problem in problems(notebook, table="silver.fares")}


def test_each_rule_can_fail() -> None:
    assert {rule for rule, _ in BROKEN} == set(RULES)
