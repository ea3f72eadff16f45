"""Chaos: a week's load whose processes are killed at random moments, gone on with, and compared with the oracle.

Each round has an empty lake of its own. While `lake run` works, its runner, one of its kernels (in which the embedded
engine lives) or the process that kernels are forked from gets SIGKILL; `lake resume` goes on with what is left, and in
the end the command is given once more. Then the tables have to equal the oracle, bronze its deliveries, and nothing may
be called running or hold a lease.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer

from lakelib import kernels
from tests.line.oracles import mismatches

PROJECT: Final = Path(__file__).parents[2]
LAKE: Final = str(Path(sys.executable).with_name("lake"))
VICTIMS: Final = ("runner", "kernel", "zygote")
LONGEST_SECONDS: Final = 900


@dataclass
class Round:
    """One lake, what was killed while it was loaded, and what is wrong with it in the end."""

    lake: Path
    days: int
    chance: random.Random
    killed: list[str] = field(default_factory=list)

    def load(self, kills: int) -> None:
        span = ["run", "--from", "2013-01-01", "--to", f"2013-01-{self.days:02}"]
        command = span
        for _ in range(kills):
            has_failed = self._disturbed(self._started(*command))
            command = ["resume", "--failed"] if has_failed else span
        self._finished("resume", "--failed")
        self._finished(*span)

    def faults(self) -> list[str]:
        found = mismatches(self.lake / "warehouse", f"day_{self.days:03}")
        found += [] if self._finished("verify").returncode == 0 else ["lake verify finds damage in bronze"]
        runs = json.loads(self._finished("runs", "--limit", "10000", "--json").stdout)
        found += [f"run {run['run_id']} is called running" for run in runs if run["status"] == "running"]
        return found + [f"lease {lease.name} is held" for lease in (self.lake / "leases").glob("*.lock")]

    def _disturbed(self, command: "subprocess.Popen[bytes]") -> bool:
        """Kills something while the command runs, waits for its end, and says whether that is a failure."""
        moment, victim = self.chance.uniform(1, 20), self.chance.choice(VICTIMS)
        with suppress(subprocess.TimeoutExpired):
            command.wait(moment)
        while command.poll() is None and not _kill(victim, command, self.chance):
            time.sleep(0.1)
        if command.poll() in (None, -signal.SIGKILL):
            self.killed.append(f"{victim} after {moment:.1f} s")
        return command.wait(LONGEST_SECONDS) != 0

    def _started(self, *arguments: str) -> "subprocess.Popen[bytes]":
        nowhere = subprocess.DEVNULL
        return subprocess.Popen([LAKE, *arguments], env=self._environment(), stdout=nowhere, stderr=nowhere)

    def _finished(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [LAKE, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_SECONDS,
        )

    def _environment(self) -> dict[str, str]:
        return os.environ | {"LAKE_PROJECT": str(PROJECT), "LAKE_LAKE": str(self.lake), "LAKE_ENGINE": "embedded"}


def _kill(victim: str, runner: "subprocess.Popen[bytes]", chance: random.Random) -> bool:
    """False where there is no such process at this moment."""
    if victim == "runner":
        runner.kill()
        return True
    with suppress(psutil.NoSuchProcess):
        zygotes = [psutil.Process(zygote.pid) for zygote in kernels.status()]
        children = [child for zygote in zygotes for child in zygote.children()]
        alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        if found := zygotes if victim == "zygote" else alive:
            chance.choice(found).kill()
            return True
    return False


def main(
    *,
    rounds: Annotated[int, typer.Option(help="how many lakes are loaded")] = 3,
    kills: Annotated[int, typer.Option(help="how often something is killed in each")] = 4,
    days: Annotated[int, typer.Option(help="1 or 7: an oracle is needed")] = 7,
    seed: Annotated[int | None, typer.Option(help="for the same moments again")] = None,
) -> None:
    """Load lakes while their processes are killed; exit code 1 where one ends wrong."""
    chance = random.Random(seed := seed if seed is not None else time.time_ns() % 1_000_000)
    typer.echo(f"seed {seed}: {rounds} rounds of {days} days, {kills} kills each")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="lake-chaos-") as folder:
        # Zygotes of its own: nobody else's kernels are killed.
        os.environ["JUPYTER_RUNTIME_DIR"] = str(Path(folder) / "jupyter")
        for number in range(1, rounds + 1):
            this, started = Round(Path(folder) / f"lake{number}", days, chance), time.monotonic()
            this.load(kills)
            faults = this.faults()
            wrong += bool(faults)
            typer.echo(
                f"round {number}: {'WRONG' if faults else 'right'} after {time.monotonic() - started:.0f} s; "
                f"killed: {', '.join(this.killed) or 'nothing'}"
            )
            for fault in faults:
                typer.echo(f"  {fault}")
        kernels.stop()
    typer.echo(f"{rounds - wrong} of {rounds} rounds ended right.")
    if wrong:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
