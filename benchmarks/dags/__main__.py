"""How long Airflow takes to read the DAG file of a large project."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.command import run_command
from benchmarks.dags.notebooks import make_project
from benchmarks.measuring import Case, measure
from benchmarks.reporting import QUICK, RESULTS, report

_NOTEBOOKS: Final = 500
_GOALS: Final = {"nothing changed": 2.0, "a notebook changed": 2.0, "nothing kept": 2.0}


def main(*, quick: Annotated[bool, typer.Option("--quick", help="once: shows that it works")] = False) -> None:
    """Measure the reading of a DAG file over 500 notebooks, as Airflow does it: in a process that has imported it."""
    with tempfile.TemporaryDirectory(prefix="lake-") as temporary:
        project = Path(temporary) / "project"
        make_project(project, notebooks=30 if quick else _NOTEBOOKS)
        command = [sys.executable, "-m", "benchmarks.dags.reading", str(project), "--times", "1" if quick else "5"]
        environment = {"AIRFLOW_HOME": temporary}
        measured = measure(
            [
                Case("nothing changed", command, environment=environment),
                Case("a notebook changed", [*command, "--changed"], environment=environment),
                Case("nothing kept", [*command, "--anew"], environment=environment),
            ],
            rounds=1 if quick else 3,
        )
    report(
        "dags",
        measured,
        title=f"How long the DAG file of {_NOTEBOOKS} notebooks takes to read",
        goals=_GOALS,
        results=QUICK if quick else RESULTS,
    )


if __name__ == "__main__":
    run_command(main)
