"""The services of a local Airflow when they do not live; `test_scheduler.py` has them at work."""

import shlex
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from airflow.dag_processing.dagbag import DagBag
from filelock import FileLock

from lakelib.airflow import local
from lakelib.airflow.launching import Launcher
from lakelib.airflow.local import Airflow, _end, _environment, _prepare, free_port, running
from lakelib.errors import EngineError, SettingsError
from lakelib.scaffold import make_project
from lakelib.settings import Settings

# A service with a worker that ignores SIGTERM, as those of Airflow's scheduler do.
SERVICE = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = os.fork()
if worker:
    print(worker, flush=True)
signal.pause()
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "services" / "scheduler.log"


def test_a_service_that_ended_is_named_with_its_last_words(tmp_path: Path, log: Path) -> None:
    log.parent.mkdir(parents=True)
    log.write_text("no such table\n")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        airflow = Airflow(tmp_path, 1, launcher=None, services={"scheduler": psutil.Process(started.pid)})
        airflow.check()
        started.communicate(b"\n")
        with pytest.raises(EngineError, match="scheduler ended by itself.\nno such table") as refused:
            airflow.check()
    assert str(log) in refused.value.hint


def test_where_one_airflow_works_no_other_starts(tmp_path: Path) -> None:
    with FileLock(tmp_path / "running.lock"), pytest.raises(SettingsError, match="another one does that") as refused:
        running(Settings(project=tmp_path), port=free_port(), home=tmp_path).__enter__()
    assert "--home" in refused.value.hint


def test_without_its_launcher_no_service_starts(log: Path) -> None:
    launcher = Launcher(environment={"PYTHONHOME": "/nowhere"}, log=log)
    with closing(launcher), pytest.raises(EngineError, match="scheduler was to be started; what starts it has ended"):
        launcher.start(["scheduler"], log=log)
    assert "PYTHONHOME" in log.read_text()


def test_secrets_are_read_from_a_home_of_any_name(tmp_path: Path) -> None:
    home = tmp_path / "it's mine"
    told = _environment(Settings(project=tmp_path), home, 8080)
    commands = [told["AIRFLOW__API__SECRET_KEY_CMD"], told["AIRFLOW__API_AUTH__JWT_SECRET_CMD"]]
    assert [shlex.split(each) for each in commands] == [
        ["cat", f"{home}/{name}"] for name in ("secret_key", "jwt_secret")
    ]


def test_what_a_killed_service_has_started_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDLE_SECONDS", "STOP_SECONDS"):
        monkeypatch.setattr(local, name, 0.2)
    with subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, start_new_session=True) as started:
        assert started.stdout is not None
        service, worker = psutil.Process(started.pid), psutil.Process(int(started.stdout.readline()))
        started.kill()
        started.wait()
        _end([service])
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running()


def test_a_project_without_a_dag_file_has_its_dags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path / "shop")
    _prepare(tmp_path / "home")
    told = _environment(Settings(project=tmp_path / "shop"), tmp_path / "home", 8080)
    monkeypatch.setenv("LAKE_PROJECT", told["LAKE_PROJECT"])
    assert set(DagBag(told["AIRFLOW__CORE__DAGS_FOLDER"]).dag_ids) == {"lake", "lake_backfill"}
