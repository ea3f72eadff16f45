"""Chaos: a week's load whose processes are killed at random moments, gone on with, and compared with the oracle.

Each round has an empty lake of its own. While `lake run` works, its runner, one of its kernels (in which the embedded
engine lives), the process that kernels are forked from, or the Spark server gets SIGKILL; `lake resume` goes on with
what is left, and in the end the command is given once more. With `--airflow` a local Airflow runs the load, and its
scheduler is killed with all that it started; with `--schedulers 2` there are two of them, each with a clone of the
project and data of its own, that are asked for the same at once. Then the tables have to equal the oracle, bronze its
deliveries, each commit has to have a receipt and each receipt its commits, and nothing may be called running or hold a
lease. What one scheduler has done no other may do again.
"""

import os
import random
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from lakelib import kernels
from lakelib.engine.spark_server import stop_server
from tests.chaos.rounds import Round


def main(
    *,
    rounds: Annotated[int, typer.Option(help="how many lakes are loaded")] = 3,
    kills: Annotated[int, typer.Option(help="how often something is killed in each")] = 4,
    days: Annotated[int, typer.Option(help="1 or 7: an oracle is needed")] = 7,
    engine: Annotated[str, typer.Option(help="embedded or spark")] = "embedded",
    airflow: Annotated[bool, typer.Option("--airflow", help="by a local Airflow whose scheduler is killed")] = False,
    schedulers: Annotated[int, typer.Option(help="by so many local Airflows at one lake; 0 is none")] = 0,
    seed: Annotated[int | None, typer.Option(help="for the same moments again")] = None,
) -> None:
    """Load lakes while their processes are killed; exit code 1 where one ends wrong."""
    chance = random.Random(seed := seed if seed is not None else time.time_ns() % 1_000_000)
    typer.echo(f"seed {seed}: {rounds} rounds of {days} days on {engine}, {kills} kills each")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="lake-chaos-") as folder:
        # Zygotes of its own: nobody else's kernels are killed.
        os.environ["JUPYTER_RUNTIME_DIR"] = str(Path(folder) / "jupyter")
        for number in range(1, rounds + 1):
            this = _round(Path(folder) / f"round{number}", engine, days, chance, schedulers=schedulers or int(airflow))
            wrong += not _ends_right(this, number, kills=kills)
        kernels.stop()
    typer.echo(f"{rounds - wrong} of {rounds} rounds ended right.")
    if wrong:
        raise typer.Exit(1)


def _round(folder: Path, engine: str, days: int, chance: random.Random, *, schedulers: int) -> Round:
    if not schedulers:
        return Round(folder, engine, days, chance)
    from tests.chaos.scheduled import ScheduledRound  # importing Airflow takes seconds

    return ScheduledRound(folder, engine, days, chance, schedulers=schedulers)


def _ends_right(this: Round, number: int, *, kills: int) -> bool:
    started = time.monotonic()
    try:
        this.load(kills)
        faults = this.faults()
    finally:
        stop_server(this.settings)
    typer.echo(
        f"round {number}: {'WRONG' if faults else 'right'} after {time.monotonic() - started:.0f} s; "
        f"killed: {', '.join(this.killed) or 'nothing'}"
    )
    for fault in faults:
        typer.echo(f"  {fault}")
    return not faults


if __name__ == "__main__":
    typer.run(main)
