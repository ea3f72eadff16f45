"""The resident Spark server of a project: started on first use, found again through a file, noticed when dead."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil
from filelock import FileLock

from lakelib.errors import EngineError
from lakelib.settings import Settings

__all__ = [
    "Server",
    "ServerStatus",
    "ensure_server",
    "find_server",
    "forget_server",
    "locked",
    "log_tail",
    "record_server",
    "server_status",
    "stop_server",
]

_SUPERVISOR: Final = "lakelib.engine.spark_supervisor"
_START_SECONDS: Final = 180
_STOP_SECONDS: Final = 20


@dataclass(frozen=True)
class Server:
    """A running server: its supervisor's pid, its JVM's, and what a client needs to get in."""

    pid: int
    jvm_pid: int
    port: int
    token: str
    started_at: float

    @property
    def url(self) -> str:
        """With any host name but `localhost` a client that has a token wants TLS, and hangs."""
        return f"sc://localhost:{self.port}/;token={self.token}"

    def is_alive(self) -> bool:
        """Whether the supervisor's own JVM listens on the port: an open port alone could be anybody's."""
        try:
            jvm = psutil.Process(self.jvm_pid)
            return jvm.ppid() == self.pid and any(
                socket.status == psutil.CONN_LISTEN and socket.laddr.port == self.port
                for socket in jvm.net_connections("tcp")
            )
        except psutil.Error:
            return False

    def clients(self) -> int:
        """Connections that are open at this moment; 0 for a server that is gone."""
        try:
            sockets = psutil.Process(self.jvm_pid).net_connections("tcp")
        except psutil.Error:
            return 0
        return sum(s.status == psutil.CONN_ESTABLISHED and s.laddr.port == self.port for s in sockets)


@dataclass(frozen=True)
class ServerStatus:
    """`idle_seconds` counts from the last moment a client was connected or asked for the server."""

    pid: int
    port: int
    age_seconds: float
    memory_bytes: int
    clients: int
    idle_seconds: float


def ensure_server(settings: Settings) -> Server:
    """The project's server, started where there is none; however many ask at once, one server is the result.

    Raises:
        EngineError: it did not start; the message holds the end of its log.
    """
    with locked(settings):
        server = find_server(settings) or _started(settings)
        _state_path(settings).touch()
        return server


def find_server(settings: Settings) -> Server | None:
    """The running server; None without one. What a dead one left behind is removed."""
    try:
        server = Server(**json.loads(_state_path(settings).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        forget_server(settings)
        return None
    if server.is_alive():
        return server
    forget_server(settings)
    return None


def server_status(settings: Settings) -> ServerStatus | None:
    server = find_server(settings)
    if server is None:
        return None
    now, clients = time.time(), server.clients()
    return ServerStatus(
        pid=server.jvm_pid,
        port=server.port,
        age_seconds=now - server.started_at,
        memory_bytes=psutil.Process(server.jvm_pid).memory_info().rss,
        clients=clients,
        idle_seconds=0.0 if clients else now - _state_path(settings).stat().st_mtime,
    )


def stop_server(settings: Settings) -> bool:
    """Ends the server and its sessions; False when none was running."""
    with locked(settings):
        server = find_server(settings)
        if server is None:
            return False
        _ended(psutil.Process(server.pid))
        forget_server(settings)
        return True


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """One process at a time starts, finds or stops the project's server."""
    settings.engine_state.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.engine_state.chmod(0o700)
    with FileLock(settings.engine_state / "start.lock"):
        yield


def record_server(settings: Settings, server: Server) -> None:
    """Atomic; only the user can read it, as it holds the token."""
    path = _state_path(settings)
    written = path.with_suffix(".tmp")
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(server), file)
    written.replace(path)


def forget_server(settings: Settings) -> None:
    _state_path(settings).unlink(missing_ok=True)


def log_path(settings: Settings) -> Path:
    return settings.engine_state / "server.log"


def log_tail(settings: Settings, *, lines: int = 15) -> str:
    """The end of the server's log; empty without one."""
    try:
        return "\n".join(log_path(settings).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _state_path(settings: Settings) -> Path:
    return settings.engine_state / "server.json"


def _started(settings: Settings) -> Server:
    """Starts a supervisor, which says that it is ready by a line, and that it failed by closing its output."""
    with log_path(settings).open("w", encoding="utf-8") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", _SUPERVISOR, settings.model_dump_json()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=settings.project,
            start_new_session=True,
        )
    said, _ = supervisor.communicate()
    server = find_server(settings) if said else None
    if server is None:
        raise EngineError(
            f"The Spark server of {settings.project} was asked for and did not start. Its log ends:\n"
            f"{log_tail(settings)}",
            hint=f"`lake doctor` checks Java, jars and memory (`spark.memory` is {settings.spark.memory}). "
            f"The whole log is {log_path(settings)}. Without Spark: `engine: embedded`.",
        )
    return server


def _ended(process: psutil.Process) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
