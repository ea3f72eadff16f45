"""One lake that is loaded while its processes are killed: by `lake run`, gone on with by `lake resume`."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from lakelib import kernels
from lakelib.engine.spark_server import server_status
from lakelib.settings import Settings, load_settings
from tests.chaos.histories import disagreements
from tests.line.oracles import mismatches

PROJECT: Final = Path(__file__).parents[2]
LAKE: Final = str(Path(sys.executable).with_name("lake"))
VICTIMS: Final = ("runner", "kernel", "zygote")
LONGEST_SECONDS: Final = 900
LATEST: Final = {"embedded": 6.0, "spark": 20.0}  # a week is loaded in a little more seconds
CONF: Final = "lake: {lake}\nlanding: {landing}\nairflow: {{schedule: null, retries: 9, retry_seconds: 1}}\n"


@dataclass
class Round:
    """A project of its own with an empty lake, what was killed while it was loaded, and what went wrong then."""

    folder: Path
    engine: str
    days: int
    chance: random.Random
    killed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        clone(self.folder, lake=self.folder / ".lake")

    @property
    def settings(self) -> Settings:
        return load_settings(self.folder, engine=self.engine)

    @property
    def last_day(self) -> str:
        return f"2013-01-{self.days:02}"

    def load(self, kills: int) -> None:
        span = ["run", "--from", "2013-01-01", "--to", self.last_day]
        command = span
        for _ in range(kills):
            has_failed = self._disturbed(self._started(*command))
            command = ["resume", "--failed"] if has_failed else span
        self._finished("resume", "--failed")
        self._finished(*span)

    def faults(self) -> list[str]:
        """What is wrong with the lake in the end, after what went wrong on the way."""
        found = self.wrong + mismatches(self.settings.warehouse, f"day_{self.days:03}") + disagreements(self.settings)
        found += [] if self._finished("verify").returncode == 0 else ["lake verify finds damage in bronze"]
        runs = json.loads(self._finished("runs", "--limit", "10000", "--json").stdout)
        found += [f"run {run['run_id']} is called running" for run in runs if run["status"] == "running"]
        return found + [f"lease {lease.name} is held" for lease in (self.folder / ".lake" / "leases").glob("*.lock")]

    def _disturbed(self, command: "subprocess.Popen[bytes]") -> bool:
        """Kills something while the command runs, waits for its end, and says whether that is a failure."""
        victims = (*VICTIMS, "engine") if self.engine == "spark" else VICTIMS
        moment, victim = self.chance.uniform(0.5, LATEST[self.engine]), self.chance.choice(victims)
        with suppress(subprocess.TimeoutExpired):
            command.wait(moment)
        while command.poll() is None and not self._kill(victim, command):
            time.sleep(0.1)
        if command.poll() in (None, -signal.SIGKILL):
            self.killed.append(f"{victim} after {moment:.1f} s")
        return command.wait(LONGEST_SECONDS) != 0

    def _kill(self, victim: str, runner: "subprocess.Popen[bytes]") -> bool:
        """False where there is no such process at this moment."""
        with suppress(psutil.NoSuchProcess):
            if found := self._processes(victim, runner):
                self.chance.choice(found).kill()
                return True
        return False

    def _processes(self, victim: str, runner: "subprocess.Popen[bytes]") -> Sequence[psutil.Process]:
        match victim:
            case "runner":
                return [psutil.Process(runner.pid)]
            case "engine":
                server = server_status(self.settings)
                return [psutil.Process(server.pid)] if server else []
            case "zygote":
                return zygotes()
        children = [child for zygote in zygotes() for child in zygote.children()]
        return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]

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
        return os.environ | {"LAKE_PROJECT": str(self.folder), "LAKE_ENGINE": self.engine}


def clone(folder: Path, *, lake: Path) -> None:
    """The project as it is, with a lake of that place."""
    for name in ("contracts", "notebooks", "dags"):
        shutil.copytree(PROJECT / name, folder / name)
    (folder / "conf").mkdir()
    (folder / "conf" / "local.yml").write_text(CONF.format(lake=lake, landing=PROJECT / "data" / "landing"))


def zygotes() -> list[psutil.Process]:
    return [psutil.Process(zygote.pid) for zygote in kernels.status()]
