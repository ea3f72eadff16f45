"""A whole Airflow on this machine for one project: API server, scheduler, DAG processor and triggerer.

For a laptop and for tests. It listens on loopback only, and all that it keeps is in one folder.
"""

import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from filelock import FileLock, Timeout

from lakelib.airflow.launching import Launcher
from lakelib.airflow.project import home_of
from lakelib.errors import EngineError, SettingsError
from lakelib.files import write_whole
from lakelib.settings import Settings

__all__ = ["USER", "Airflow", "free_port", "running"]

HOST: Final = "127.0.0.1"
USER: Final = "admin"
START_SECONDS: Final = 180
STOP_SECONDS: Final = 20
IDLE_SECONDS: Final = 2  # what a service takes to end that has nothing to wait for
_DIRECTLY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# The log servers of scheduler and triggerer would listen on every address of the machine.
_SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "api-server": ("api-server", "--workers", "1"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_DAG_FILE: Final = '''"""The project's DAGs, made by `lakelib.airflow`."""

import os
from pathlib import Path

from lakelib.airflow import dags

dags(Path(os.environ["LAKE_PROJECT"]))
'''


@dataclass(frozen=True)
class Airflow:
    """`home` is AIRFLOW_HOME, with one file of log a service in `logs/services`."""

    home: Path
    port: int
    launcher: Launcher
    services: dict[str, psutil.Process]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def password(self) -> str:
        return str(json.loads(_passwords(self.home).read_text())[USER])

    @property
    def is_healthy(self) -> bool:
        """Whether every service answers for itself."""
        try:
            with _DIRECTLY.open(f"{self.url}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return False
        told = {name.replace("_", "-"): part["status"] for name, part in health.items()}
        return all(told[name] == "healthy" for name in self.services if name != "api-server")

    def start(self, name: str) -> None:
        """A service that has ended can be started again."""
        self.services[name] = self.launcher.start(_SERVICES[name], log=_log(self.home, name))

    def check(self) -> None:
        """Raises EngineError when a service has ended."""
        for name, service in self.services.items():
            if not service.is_running():
                raise EngineError(
                    f"Airflow's {name} ended by itself.\n{_tail(_log(self.home, name))}",
                    hint=f"Its whole log is {_log(self.home, name)}.",
                )


@contextmanager
def running(
    settings: Settings, *, port: int, home: Path | None = None, options: Mapping[str, str] | None = None
) -> Iterator[Airflow]:
    """Starts all services for the project and stops them at the end, with their tasks and these tasks' notebooks.

    DAGs are those of the project's folder `dags`; a project without one has those that follow from its notebooks.
    Metadata, logs and the login stay in `home`, without one in `<lake>/airflow`, for the next time. Several Airflows
    may work on one lake, each with a home of its own. `options` are more variables.

    Raises:
        SettingsError: the port is taken, or another Airflow works in this home.
        EngineError: a service ended by itself, or was not ready in time.
    """
    home = (home or home_of(settings)).resolve()
    _check_port(port)
    _prepare(home)
    environment = _environment(settings, home, port) | dict(options or {})
    with _alone_in(home), closing(Launcher(environment=environment, log=_log(home, "launcher"))) as launcher:
        _run_to_its_end("db", "migrate", home=home, environment=environment)
        airflow = Airflow(home, port, launcher, services={})
        try:
            for name in _SERVICES:
                airflow.start(name)
            _wait_until_ready(airflow)
            yield airflow
        finally:
            _stop(airflow.services)


def free_port() -> int:
    """A port of loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Two schedulers on one SQLite would take each other's tasks for lost."""
    lock = FileLock(home / "running.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as taken:
        raise SettingsError(
            f"Airflow was to keep its data in {home}; another one does that at this moment.",
            hint="Stop it, or give this one a folder of its own: python -m lakelib.airflow --home …",
        ) from taken
    try:
        yield
    finally:
        lock.release()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SettingsError(
                f"Airflow was to listen on port {port}; {error.strerror}.", hint="Choose another: make airflow PORT=…"
            ) from error


def _prepare(home: Path) -> None:
    """A folder that only this user can enter, and its secrets; they stay, so that a restart logs nobody out.

    Beside them is the DAG file of a project that has none.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    _keep(home / "jwt_secret", secrets.token_hex(64))
    _keep(home / "secret_key", secrets.token_hex(64))
    _keep(_passwords(home), json.dumps({USER: secrets.token_urlsafe(12)}))
    write_whole(home / "dags" / "lake.py", _DAG_FILE)


def _keep(path: Path, text: str) -> None:
    if not path.exists():
        write_whole(path, text)


def _environment(settings: Settings, home: Path, port: int) -> dict[str, str]:
    """The services' variables. Secrets come from files: a notebook inherits what is written here."""
    url, dags = f"http://{HOST}:{port}", settings.project / "dags"
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        # Its services and tasks talk to each other, whatever proxy is meant for the rest.
        **{name: _and_this_machine(os.environ.get(name, "")) for name in ("no_proxy", "NO_PROXY")},
        "LAKE_PROJECT": str(settings.project),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags if dags.is_dir() else home / "dags"),
        "AIRFLOW__CORE__PARALLELISM": str(settings.parallel),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords(home)),
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__SECRET_KEY_CMD": shlex.join(["cat", str(home / "secret_key")]),
        "AIRFLOW__API_AUTH__JWT_SECRET_CMD": shlex.join(["cat", str(home / "jwt_secret")]),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        # So long a task that has ended may keep its slot: Airflow looks whether its process is gone when it beats.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }


def _and_this_machine(no_proxy: str) -> str:
    return no_proxy if no_proxy == "*" else ",".join(filter(None, (no_proxy, HOST)))


def _run_to_its_end(*command: str, home: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *command], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise EngineError(
            f"airflow {' '.join(command)} ended with exit status {done.returncode}.\n{done.stderr[-2000:]}",
            hint=f"Its folder is {home}; deleting it loses the history of DAG runs, and no table.",
        )


def _wait_until_ready(airflow: Airflow) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not airflow.is_healthy:
        airflow.check()
        if time.monotonic() > deadline:
            raise EngineError(
                f"Airflow was not ready after {START_SECONDS} s.", hint=f"Its logs are in {airflow.home / 'logs'}."
            )
        time.sleep(0.5)


def _stop(services: Mapping[str, psutil.Process]) -> None:
    """The API server last: until then, tasks that are stopped can say what became of them."""
    _end([service for name, service in services.items() if name != "api-server"])
    _end([service for name, service in services.items() if name == "api-server"])


def _end(services: Sequence[psutil.Process]) -> None:
    """SIGTERM to each service and its tasks, which then stop their notebooks; what is left after a while is killed."""
    processes = [process for service in services for process in _session(service.pid)]
    _ask_to_end(services)
    _, left = psutil.wait_procs(processes, timeout=IDLE_SECONDS)
    # Airflow may wait ten seconds for a process that was gone when it began to; a second signal ends that.
    _ask_to_end([service for service in services if service in left and _is_childless(service)])
    _, left = psutil.wait_procs(left, timeout=STOP_SECONDS)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)


def _ask_to_end(services: Sequence[psutil.Process]) -> None:
    for service in services:
        with suppress(ProcessLookupError):
            os.killpg(service.pid, signal.SIGTERM)


def _is_childless(service: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return all(child.status() == psutil.STATUS_ZOMBIE for child in service.children())
    return False


def _session(leader: int) -> list[psutil.Process]:
    """A service and what it has started, also where it is gone itself; other sessions look after themselves."""
    members = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError):
            if os.getsid(process.pid) == leader:
                members.append(process)
    return members


def _passwords(home: Path) -> Path:
    return home / "passwords.json"


def _log(home: Path, service: str) -> Path:
    return home / "logs" / "services" / f"{service}.log"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:])
