"""One lake that is loaded by a local Airflow whose scheduler is killed, and with it the tasks that it had started."""

import os
import signal
import time
from dataclasses import dataclass
from typing import Final

from lakelib.airflow.local import free_port, running
from tests.airflow.conftest import BRISK, DagRun, Rest
from tests.chaos.rounds import LONGEST_SECONDS, Round

# A task that is gone is missed after seconds instead of minutes.
WATCHFUL: Final = BRISK | {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}


@dataclass
class ScheduledRound(Round):
    """As `Round`, with a DAG run in the place of `lake run`: Airflow's retries go on with what is left."""

    def load(self, kills: int) -> None:
        os.environ["LAKE_ENGINE"] = self.engine
        with running(self.settings, port=free_port(), options=WATCHFUL) as airflow:
            rest = Rest.of(airflow)
            run = rest.trigger("lake", start_date="2013-01-01", end_date=self.last_day)
            for _ in range(kills):
                moment = self.chance.uniform(5, 40)
                time.sleep(moment)
                if _state(run) != "running":
                    break
                os.killpg(airflow.services["scheduler"].pid, signal.SIGKILL)
                self.killed.append(f"scheduler after {moment:.1f} s")
                airflow.start("scheduler")
            rest.until(lambda: _state(run) in ("success", "failed"), seconds=LONGEST_SECONDS)
            if _state(run) == "failed":
                states = {name: task["state"] for name, task in run.tasks().items() if task["state"] != "success"}
                self.wrong.append(f"the DAG run failed: {states}")
            rest.client.close()
        self._finished("run", "--from", "2013-01-01", "--to", self.last_day)


def _state(run: DagRun) -> str:
    return str(run.rest.get(run.path)["state"])
