"""How long `lake` takes to answer questions that need no kernel."""

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.command import run_command
from benchmarks.measuring import Case, measure
from benchmarks.ours import LAKE, own_residents, zygote_pids
from benchmarks.reporting import QUICK, RESULTS, report

_GOALS: Final = {"lake --help": 0.3, "lake ls": 0.5, "lake ls --json": 0.5, "lake graph": 0.5, "lake runs": 0.5}
_COMMANDS: Final = (*_GOALS, "lake deliveries", "lake sql 'SELECT count(*) FROM bronze.carriers'")


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="once each: shows that it works")] = False,
    rounds: Annotated[int, typer.Option(help="how often each command is run")] = 21,
) -> None:
    """Measure `lake --help`, `lake ls` and their like on the demonstration, beside a Python that does nothing.

    `, warm` is where the process that kernels are forked from is resident, as it is after a run.
    """
    with tempfile.TemporaryDirectory(prefix="lake-") as temporary:
        environment = {"LAKE_LAKE": str(Path(temporary) / "lake"), "JUPYTER_PREFER_ENV_PATH": "1"}
        nothing = Case("python -c pass", [sys.executable, "-c", "pass"])
        alone = environment | {"JUPYTER_RUNTIME_DIR": str(Path(temporary) / "alone")}
        answers = [Case(name, _command(name), environment=alone) for name in _COMMANDS]
        answers += [
            Case(f"{name}, warm", _command(name), environment=environment, residents=zygote_pids)
            for name in _COMMANDS
            if "--help" not in name
        ]
        with own_residents(Path(temporary)):
            run = [LAKE, "run", "bronze.carriers", "--from", "2013-01-01"]
            measure([Case("a run to list", run, environment=environment, residents=zygote_pids)], rounds=1)
            measured = measure([nothing, *answers], rounds=1 if quick else rounds)
    report(
        "lake-answers",
        measured,
        title="How long the command takes to answer, on the demonstration's notebooks",
        goals=_GOALS,
        results=QUICK if quick else RESULTS,
    )


def _command(name: str) -> list[str]:
    return [LAKE, *shlex.split(name)[1:]]


if __name__ == "__main__":
    run_command(main)
