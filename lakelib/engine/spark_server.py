"""The resident Spark server of a project: started on first use, kept for the next one, noticed when dead."""

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil

from lakelib.engine.java import find_java
from lakelib.engine.spark_jars import delta_jars
from lakelib.engine.spark_state import Server, ServerFolder, fingerprint
from lakelib.errors import EngineError
from lakelib.settings import Settings

__all__ = ["Server", "ServerStatus", "ensure_server", "server_status", "stop_server"]

_SUPERVISOR: Final = "lakelib.engine.spark_supervisor"
_STOP_SECONDS: Final = 20


@dataclass(frozen=True)
class ServerStatus:
    """`pid` is the JVM's; `idle_seconds` count from the last moment a client was connected or asked for the server."""

    pid: int
    port: int
    age_seconds: float
    memory_bytes: int
    clients: int
    idle_seconds: float


def ensure_server(settings: Settings) -> Server:
    """The project's server, started where there is none; however many ask at once, one server is the result.

    One of other settings makes way as soon as no client is connected to it.

    Raises:
        EngineError: it did not start; the message holds the end of its log.
    """
    folder = ServerFolder(settings.engine_state)
    with folder.locked():
        server = folder.find()
        if server is not None and server.settings != fingerprint(settings.spark) and not server.clients():
            _stop(server, folder)
            server = None
        server = server or _started(settings, folder)
        folder.mark_needed()
        return server


def server_status(settings: Settings) -> ServerStatus | None:
    """None where no server runs."""
    folder = ServerFolder(settings.engine_state)
    server = folder.find()
    if server is None:
        return None
    clients = server.clients()
    return ServerStatus(
        pid=server.jvm_pid,
        port=server.port,
        age_seconds=time.time() - server.started_at,
        memory_bytes=psutil.Process(server.jvm_pid).memory_info().rss,
        clients=clients,
        idle_seconds=0.0 if clients else folder.idle_seconds(),
    )


def stop_server(settings: Settings) -> bool:
    """Ends the server and its sessions, and one whose start was left alone; False when none was running."""
    folder = ServerFolder(settings.engine_state)
    with folder.locked():
        server = folder.recorded()
        if server is None or not server.runs():
            return False
        _stop(server, folder)
        return True


def _started(settings: Settings, folder: ServerFolder) -> Server:
    """Starts a supervisor, which says by a line that the server is ready, and by closing its output that it failed."""
    find_java(settings.spark)
    delta_jars(settings.spark)
    folder.log.write_text("", encoding="utf-8")
    with folder.log.open("a", encoding="utf-8") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", _SUPERVISOR, str(folder.path), settings.spark.model_dump_json()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder.path,
            start_new_session=True,
        )
    said, _ = supervisor.communicate()
    server = folder.find() if said else None
    if server is None:
        raise EngineError(
            f"The Spark server of {settings.project} was asked for and did not start. Its log ends:\n"
            f"{folder.log_tail()}",
            hint=f"`lake doctor` checks Java, jars and memory (`spark.memory` is {settings.spark.memory}). "
            f"The whole log is {folder.log}. Without Spark: `engine: embedded`.",
        )
    return server


def _stop(server: Server, folder: ServerFolder) -> None:
    with suppress(psutil.NoSuchProcess):
        _end(psutil.Process(server.pid))
    folder.forget(server)


def _end(process: psutil.Process) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
