"""All notebooks of the project in the order of their tables, on an empty lake of their own.

`validate` has nbval compare every cell with its stored outputs; `store` executes them and stores their outputs.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lakelib import kernels
from lakelib.runner.facts import find_notebooks
from lakelib.runner.order import select, upstream_graph

PROJECT = Path(__file__).parents[2]


def ordered_notebooks(project: Path = PROJECT) -> list[Path]:
    """Each notebook after those whose tables it reads."""
    notebooks = find_notebooks(project)
    return [notebook.path for notebook in select(notebooks, [], graph=upstream_graph(notebooks))]


def validate(notebooks: Sequence[Path]) -> list[str]:
    return [
        *("pytest", "--nbval", "--nbval-sanitize-with", "tests/nbval.ini", "-p", "tests.notebooks.nbval_guard"),
        *("-p", "no:cacheprovider", "--nbval-cell-timeout", "600", *map(str, notebooks)),
    ]


def store(notebooks: Sequence[Path]) -> list[str]:
    return [
        *("nbconvert", "--to", "notebook", "--execute", "--inplace", "--log-level=WARN"),
        *("--ExecutePreprocessor.record_timing=False", "--ExecutePreprocessor.timeout=600", *map(str, notebooks)),
    ]


def main(verb: str) -> int:
    notebooks = ordered_notebooks()
    command = {"validate": validate, "store": store}[verb](notebooks)
    print(f"{verb}: {len(notebooks)} notebooks on an empty lake", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="lake-") as folder:
        os.environ |= {"LAKE_LAKE": folder, "JUPYTER_RUNTIME_DIR": folder}
        done = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, check=False)
        kernels.stop()
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
