"""One real Airflow for all tests here: the demonstration's line of flights, and a project of tiny notebooks."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import nbformat
import pytest
from nbformat.v4 import new_code_cell

from lakelib.airflow.local import Airflow, free_port, running
from lakelib.settings import Settings, load_settings
from tests.runner.projects import DATES, Project, write_table
from tests.runner.watched import promise_a_day, receiver, record

ROOT = Path(__file__).parents[2]
LINE = ["bronze.airports", "bronze.flights", "silver.airports", "silver.flights", "gold.dim_date"]
LATE = Path("flights", "flights_2013-01-07.csv.gz")
# Other words than in a person's own Airflow: tests shall not wait.
BRISK = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
}
# The kernel dies in the first attempt.
DEADLY = """
import os, pathlib, signal
if not pathlib.Path("../died").exists():
    pathlib.Path("../died").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
SLEEP = """
import os, time
with open('../asleep.tmp', 'w') as file: file.write(str(os.getpid()))
os.rename('../asleep.tmp', '../asleep')
time.sleep(60)
"""
REFUSE = "class DeliveryRefusedError(Exception): ...\nraise DeliveryRefusedError('a_2013-01-01.csv was refused.')"
NOW: Mapping[str, str] = {}
OTHER_DAGS = """
from pathlib import Path

from airflow.sdk import DAG

from lakelib.airflow import NotebookOperator, asset, dags, landed

with DAG("reader", schedule=[asset("gold.dim_date")]):
    NotebookOperator(project={days!r}, table="silver.days")
with DAG("arrivals", schedule=[landed({flights!r}, "flights/flights_{{date}}.csv", look_seconds=1)]):
    NotebookOperator(project={days!r}, table="silver.days")
with DAG("sleeper", schedule=None, deadline=dags(Path({sleepy!r}))[0].deadline):
    NotebookOperator(project={sleepy!r}, table="bronze.a", retries=0)
dags(Path({failing!r}))
"""


@dataclass(frozen=True)
class Rest:
    """Airflow by its REST interface, as the user that `make airflow` shows."""

    airflow: Airflow
    client: httpx.Client

    @classmethod
    def of(cls, airflow: Airflow) -> "Rest":
        client = httpx.Client(base_url=airflow.url, timeout=30, trust_env=False)
        login = {"username": "admin", "password": airflow.password}
        token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        return cls(airflow, client)

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v2/{path}").raise_for_status().json()

    def until(self, is_so: Callable[[], object], *, seconds: float = 120) -> None:
        """Asks once a second: each answer costs the server more than the tasks that it looks for."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(1)

    def trigger(self, dag: str, *, at: Mapping[str, str] = NOW, **conf: str) -> "DagRun":
        self.until(lambda: self.client.get(f"/api/v2/dags/{dag}").is_success)
        asked = {"logical_date": None, "conf": conf, **at}
        made = self.client.post(f"/api/v2/dags/{dag}/dagRuns", json=asked).raise_for_status().json()
        return DagRun(self, f"dags/{dag}/dagRuns/{quote(made['dag_run_id'])}")


@dataclass(frozen=True)
class DagRun:
    rest: Rest
    path: str

    def until_done(self) -> str:
        self.rest.until(lambda: self.rest.get(self.path)["state"] in ("success", "failed"))
        return str(self.rest.get(self.path)["state"])

    def tasks(self) -> dict[str, Any]:
        return {each["task_id"]: each for each in self.rest.get(f"{self.path}/taskInstances")["task_instances"]}

    def xcom(self, task: str) -> Any:
        return self.rest.get(f"{self.path}/taskInstances/{task}/xcomEntries/return_value")["value"]

    def log(self, task: str) -> str:
        """Of all its tries that Airflow knows.

        It forgets one where a busy scheduler takes the end of a task that deferred for the end of the one that was
        woken up: it fails that one in the queue, and keeps a history only of what ran.
        """
        tries = range(1, self.tasks()[task]["try_number"] + 1)
        answers = [self.rest.client.get(f"/api/v2/{self.path}/taskInstances/{task}/logs/{each}") for each in tries]
        lines = [line for answer in answers if answer.is_success for line in answer.json()["content"]]
        return "\n".join(line["event"] for line in lines)


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A project with the demonstration's notebooks from flights to the calendar, one of which dies once.

    A week is delivered but for its last day, and the load of flights waits for each day.
    """
    folder = tmp_path_factory.mktemp("flights")
    shutil.copytree(ROOT / "contracts", folder / "contracts")
    shutil.copytree(ROOT / "dags", folder / "dags")
    for table in LINE:
        path = Path("notebooks", f"{table.replace('.', '/')}.ipynb")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    _insert(folder / "notebooks" / "silver" / "airports.ipynb", DEADLY)
    (folder / "conf").mkdir()
    (folder / "conf" / "local.yml").write_text(
        "airflow: {schedule: null, retry_seconds: 1, wait_for: [bronze.flights], look_seconds: 1}"
    )
    settings = load_settings(folder)
    landing = ROOT / "data" / "landing"
    for path in (*landing.glob("airports/*_2013-01-0[1-7].*"), *landing.glob("flights/*_2013-01-0[1-6].*")):
        deliver(path.relative_to(landing), settings)
    return settings


@pytest.fixture(scope="module")
def alerts() -> Iterator[tuple[str, list[str]]]:
    """The address of somebody, and what was told there."""
    with receiver() as told:
        yield told


@pytest.fixture(scope="module")
def sleepy(tmp_path_factory: pytest.TempPathFactory, alerts: tuple[str, list[str]]) -> Project:
    """A project whose notebook sleeps, and says in `notebooks/asleep` in which process.

    It promises a table of each day, and succeeded last two days ago.
    """
    conf = f"airflow: {{dag: sleepy, schedule: null}}\nalerts: ['{alerts[0]}']"
    project = Project.create(tmp_path_factory.mktemp("sleepy") / "project", conf)
    project.notebook("bronze.a", SLEEP)
    promise_a_day(project, "bronze.a")
    record(project, "r1", hours_ago=48)
    return project


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose notebook has days."""
    project = Project.create(tmp_path_factory.mktemp("days") / "project")
    project.notebook("silver.days", parameters=DATES)
    write_table(project, "silver.days")
    return project


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a load that refuses a delivery and one that breaks, and a reader of each."""
    project = Project.create(tmp_path_factory.mktemp("failing") / "project", "airflow: {dag: failing, schedule: null}")
    project.notebook(
        "bronze.refused", "ingest.csv('a_{date}.csv')", "class DeliveryRefusedError(Exception): ...", REFUSE
    )
    project.notebook("bronze.broken", "ingest.csv('b_{date}.csv')", "1 / 0")
    project.notebook("silver.fed", reads=["bronze.refused"])
    project.notebook("silver.starved", reads=["bronze.broken"])
    return project


@pytest.fixture(scope="module")
def _behind_a_proxy() -> Iterator[None]:
    """Which does not answer: what talks on this machine does not ask it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", "http://127.0.0.1:9")
        yield


@pytest.fixture(scope="module")
def rest(_behind_a_proxy: None, flights: Settings, sleepy: Project, days: Project, failing: Project) -> Iterator[Rest]:
    others = OTHER_DAGS.format(
        flights=str(flights.project), sleepy=str(sleepy.folder), days=str(days.folder), failing=str(failing.folder)
    )
    (flights.project / "dags" / "others.py").write_text(others)
    with running(flights, port=free_port(), options=BRISK) as airflow:
        rest = Rest.of(airflow)
        yield rest
        rest.client.close()


def deliver(path: Path, settings: Settings) -> None:
    """The delivery of the demonstration, whole from the first moment on."""
    place = Path(str(settings.landing_path)) / path
    place.parent.mkdir(parents=True, exist_ok=True)
    part = shutil.copy(ROOT / "data" / "landing" / path, place.with_name(f".{place.name}"))
    Path(part).replace(place)


def _insert(path: Path, code: str) -> None:
    """The code as a cell before the last one."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(-1, new_code_cell(code))
    path.write_text(nbformat.writes(notebook))
