"""One lake that is loaded by local Airflows whose schedulers are killed, and with them the tasks that these started."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from lakelib.airflow.local import free_port, running
from lakelib.settings import load_settings
from tests.airflow.conftest import BRISK, DagRun, Rest
from tests.chaos.histories import done_twice
from tests.chaos.rounds import LONGEST_SECONDS, Round, clone

# A task that is gone is missed after seconds instead of minutes.
WATCHFUL: Final = BRISK | {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
}


@dataclass
class ScheduledRound(Round):
    """As `Round`, with DAG runs in the place of `lake run`: Airflow's retries go on with what is left.

    Each of the Airflows has its own data and its own clone of the project, as on a machine of its own. All are asked
    for the same at once, and what one does none of the others may do again.
    """

    schedulers: int = 1

    def load(self, kills: int) -> None:
        os.environ["LAKE_ENGINE"] = self.engine
        with self._airflows() as rests:
            for rest in rests:
                rest.until(lambda rest=rest: rest.client.get("/api/v2/dags/lake").is_success)
            runs = [rest.trigger("lake", start_date="2013-01-01", end_date=self.last_day) for rest in rests]
            for _ in range(kills):
                moment = self.chance.uniform(3, 15)
                time.sleep(moment)
                if "running" not in map(_state, runs):
                    break
                self._kill_a_scheduler(rests, moment)
            for run in runs:
                run.rest.until(lambda run=run: _state(run) in ("success", "failed"), seconds=LONGEST_SECONDS)
                if _state(run) == "failed":
                    states = {name: task["state"] for name, task in run.tasks().items() if task["state"] != "success"}
                    self.wrong.append(f"the DAG run failed: {states}")
        self.wrong += done_twice(self.settings)
        self._finished("run", "--from", "2013-01-01", "--to", self.last_day)

    @contextmanager
    def _airflows(self) -> Iterator[Sequence[Rest]]:
        folders = [
            self.folder,
            *(self.folder.with_name(f"{self.folder.name}-{n}") for n in range(2, self.schedulers + 1)),
        ]
        with ExitStack() as stack:
            rests = []
            for folder in folders:
                if folder != self.folder:
                    clone(folder, lake=self.folder / ".lake")
                settings = load_settings(folder, engine=self.engine)
                started = running(settings, port=free_port(), home=folder / "airflow", options=WATCHFUL)
                rests.append(Rest.of(stack.enter_context(started)))
                stack.callback(rests[-1].client.close)
            yield rests

    def _kill_a_scheduler(self, rests: Sequence[Rest], moment: float) -> None:
        airflow = self.chance.choice(rests).airflow
        os.killpg(airflow.services["scheduler"].pid, signal.SIGKILL)
        self.killed.append(f"scheduler after {moment:.1f} s")
        airflow.start("scheduler")


def _state(run: DagRun) -> str:
    return str(run.rest.get(run.path)["state"])
