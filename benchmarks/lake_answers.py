"""How long `lake` takes to answer questions that need no kernel."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.command import run_command
from benchmarks.measuring import Case, measure
from benchmarks.ours import LAKE, own_residents, zygote_pids
from benchmarks.reporting import QUICK, RESULTS, report

_COMMANDS: Final = {
    "lake --help": 0.3,
    "lake ls": 0.5,
    "lake ls --json": 0.5,
    "lake graph": 0.5,
    "lake runs": 0.5,
}


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="once each: shows that it works")] = False,
    rounds: Annotated[int, typer.Option(help="how often each command is run")] = 21,
) -> None:
    """Measure `lake --help`, `lake ls` and their like on the demonstration, beside a Python that does nothing."""
    with tempfile.TemporaryDirectory(prefix="lake-") as temporary:
        environment = {"LAKE_LAKE": str(Path(temporary) / "lake"), "JUPYTER_PREFER_ENV_PATH": "1"}
        nothing = Case("python -c pass", [sys.executable, "-c", "pass"])
        answers = [Case(name, [LAKE, *name.split()[1:]], environment=environment) for name in _COMMANDS]
        with own_residents(Path(temporary)):
            run = [LAKE, "run", "bronze.carriers", "--from", "2013-01-01"]
            measure([Case("a run to list", run, environment=environment, residents=zygote_pids)], rounds=1)
            measured = measure([nothing, *answers], rounds=1 if quick else rounds)
    report(
        "lake-answers",
        measured,
        title="How long the command takes to answer, on the demonstration's notebooks",
        goals=_COMMANDS,
        results=QUICK if quick else RESULTS,
    )


if __name__ == "__main__":
    run_command(main)
