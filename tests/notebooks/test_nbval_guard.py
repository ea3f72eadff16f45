import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

PROJECT = Path(__file__).parents[2]


def ran(source: str, *outputs: nbformat.NotebookNode, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    return new_code_cell(source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags)})


def shown(text: str) -> nbformat.NotebookNode:
    return new_output("execute_result", data={"text/plain": text}, execution_count=1)


def on_stderr(text: str) -> nbformat.NotebookNode:
    return new_output("stream", name="stderr", text=text)


SOUND = {
    "value": ran("1 + 1", shown("2")),
    "silent": ran("x = 1"),
}
BROKEN = {
    "line_magic": ran("%notmagic\nx = 0", on_stderr("UsageError: Line magic function `%notmagic` not found.\n")),
    "cell_magic": ran("%%notmagic\nx = 0", on_stderr("UsageError: Cell magic `%%notmagic` not found.\n")),
    "magic_before_raise": ran(
        "%notmagic\nraise TypeError", on_stderr("UsageError: Line magic function `%notmagic` not found.\n")
    ),
    "raises": ran("1 / 0"),
    "does_not_parse": ran("x ="),
    "raise_tagged_as_expected": ran("1 / 0", tags=("raises-exception",)),
    "raise_commented_as_expected": ran("# NBVAL_RAISES_EXCEPTION\n1 / 0"),
    "skipped": ran("# NBVAL_SKIP\n1 / 0"),
    "skipped_by_tag": ran("1 / 0", tags=("nbval-skip",)),
    "not_compared": ran("# NBVAL_IGNORE_OUTPUT\n1 + 1", shown("3")),
    "never_run": new_code_cell("1 + 1"),
    "other_output": ran("1 + 1", shown("3")),
    "output_was_forgotten": ran("1 + 1"),
    "output_is_gone": ran("x = 1", shown("2")),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """PASSED or FAILED by cell, from one run of nbval over all of them."""
    path = tmp_path_factory.mktemp("cells") / "cells.ipynb"
    nbformat.write(new_notebook(cells=list((SOUND | BROKEN).values())), path)
    command = ["pytest", "--nbval", "-p", "tests.notebooks.nbval_guard", "-p", "no:cacheprovider", "-v", str(path)]
    done = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True, check=False)
    return dict(zip(SOUND | BROKEN, re.findall(r"::Cell \d+ (PASSED|FAILED)", done.stdout), strict=True))


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_cell_passes(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] == "PASSED"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_or_unchecked_cell_fails(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] == "FAILED"
