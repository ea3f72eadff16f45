"""The process that owns the local server's JVM: starts it, stops it when idle, and takes it along when it ends.

Run as `python -m lakelib.engine.spark_supervisor SETTINGS`, with the settings as JSON; `spark_server` does.
"""

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final, NoReturn

from lakelib.engine.spark_command import server_command
from lakelib.engine.spark_server import Server, find_server, forget_server, locked, log_path, record_server
from lakelib.errors import LakeError
from lakelib.settings import Settings

__all__ = ["main"]

_START_SECONDS: Final = 170
_STOP_SECONDS: Final = 10
_LOOK_SECONDS: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Goes into the background, so that it outlives the notebook that asked for it, then supervises."""
    settings = Settings.model_validate_json(sys.argv[1])
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, _leave)
    try:
        supervise(settings)
    except LakeError as error:
        sys.exit(str(error))


def supervise(settings: Settings) -> None:
    """Returns when the server has stopped; it never outlives this call."""
    jvm, server = _start(settings)
    try:
        _wait_for(server, jvm)
        record_server(settings, server)
        _say_ready()
        _watch(settings, server, jvm)
    finally:
        _stop(jvm)
        if find_server(settings) is None:
            forget_server(settings)


def _start(settings: Settings) -> tuple[subprocess.Popen[bytes], Server]:
    port, token = _free_port(), secrets.token_urlsafe(32)
    with log_path(settings).open("a", encoding="utf-8") as log:
        jvm = subprocess.Popen(
            server_command(settings, port=port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"SPARK_CONNECT_AUTHENTICATE_TOKEN": token, "PYSPARK_PYTHON": sys.executable},
            preexec_fn=_bound_to_parent(),  # noqa: PLW1509 -- this process has one thread
        )
    return jvm, Server(pid=os.getpid(), jvm_pid=jvm.pid, port=port, token=token, started_at=time.time())


def _wait_for(server: Server, jvm: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.is_alive():
        if jvm.poll() is not None:
            sys.exit(f"The JVM ended with exit code {jvm.returncode}.")
        if time.monotonic() > deadline:
            sys.exit(f"The JVM did not listen on port {server.port} within {_START_SECONDS} s.")
        time.sleep(0.1)


def _say_ready() -> None:
    """Closes the pipe to whoever waits; nobody may be there any more."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    try:
        os.write(sys.stdout.fileno(), b"ready\n")
    except BrokenPipeError:
        pass
    os.dup2(quiet, sys.stdout.fileno())


def _watch(settings: Settings, server: Server, jvm: subprocess.Popen[bytes]) -> None:
    idle_seconds = settings.spark.idle_minutes * 60
    look_seconds = min(_LOOK_SECONDS, idle_seconds / 4)
    while jvm.poll() is None:
        if server.clients():
            ...
        time.sleep(look_seconds)
