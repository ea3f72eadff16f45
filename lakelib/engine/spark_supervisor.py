"""The process that owns the local server's JVM: starts it, stops it when idle, and takes it along when it ends.

Run as `python -m lakelib.engine.spark_supervisor FOLDER SETTINGS` (the settings of `spark` as JSON) by `spark_server`.
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import Timeout

from lakelib.engine.spark_command import server_command
from lakelib.engine.spark_state import Server, ServerFolder, fingerprint
from lakelib.settings import SparkSettings

__all__ = ["main", "supervise"]

_START_SECONDS: Final = 180
_STOP_SECONDS: Final = 10
_LOOK_SECONDS: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1
# Of LC_ALL=C Java takes that no file has a letter in its name that is not ASCII.
_ENVIRONMENT: Final = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "LC_ALL": "C.UTF-8"}
_LIBC: Final = ctypes.CDLL(None)


def main() -> None:
    """Goes into the background, so that it outlives the notebook that asked for the server."""
    folder, spark = ServerFolder(Path(sys.argv[1])), SparkSettings.model_validate_json(sys.argv[2])
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    supervise(folder, spark)


def supervise(folder: ServerFolder, spark: SparkSettings) -> None:
    """Returns when the server has stopped. Where another supervisor is at work, waits for its server to be ready."""
    ownership = folder.ownership()
    while folder.find() is None:
        with suppress(Timeout), ownership.acquire(timeout=0.2):
            _serve(folder, spark)
            return
    _say_ready()


def _serve(folder: ServerFolder, spark: SparkSettings) -> None:
    with _jvm(folder, spark) as (jvm, server):
        folder.record(server)
        try:
            _wait_for(server, jvm)
            _say_ready()
            _watch(folder, server, jvm, idle_seconds=spark.idle_minutes * 60)
        finally:
            folder.forget(server)


@contextmanager
def _jvm(folder: ServerFolder, spark: SparkSettings) -> Iterator[tuple[subprocess.Popen[bytes], Server]]:
    """The JVM, ended when the block ends."""
    port, token = _free_port(), secrets.token_urlsafe(32)
    with folder.log.open("a", encoding="utf-8") as log:
        jvm = subprocess.Popen(
            server_command(spark, folder=folder.path, port=port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | _ENVIRONMENT | {"SPARK_CONNECT_AUTHENTICATE_TOKEN": token},
            preexec_fn=_die_with_parent,  # noqa: PLW1509 -- this process has one thread
        )
    try:
        yield jvm, Server(os.getpid(), jvm.pid, port, token, started_at=time.time(), settings=fingerprint(spark))
    finally:
        _end(jvm)
        shutil.rmtree(folder.path / "scratch", ignore_errors=True)


def _wait_for(server: Server, jvm: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.is_alive():
        if jvm.poll() is not None:
            sys.exit(f"The JVM ended with exit code {jvm.returncode}.")
        if time.monotonic() > deadline:
            sys.exit(f"The JVM did not listen on port {server.port} within {_START_SECONDS} s.")
        time.sleep(0.1)


def _say_ready() -> None:
    """Tells whoever waits, who may be gone, and closes the pipe."""
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), b"ready\n")
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _watch(folder: ServerFolder, server: Server, jvm: subprocess.Popen[bytes], *, idle_seconds: float) -> None:
    """Returns when the JVM has ended, nobody has needed it for long enough, or its folder was deleted."""
    while jvm.poll() is None and folder.recorded() == server:
        if server.clients():
            folder.mark_needed()
        elif folder.idle_seconds() > idle_seconds and _is_released(folder, server, idle_seconds=idle_seconds):
            return
        time.sleep(min(_LOOK_SECONDS, idle_seconds / 4))


def _is_released(folder: ServerFolder, server: Server, *, idle_seconds: float) -> bool:
    """Under the lock, so that nobody gets a server that is about to stop."""
    with folder.locked():
        if folder.idle_seconds() <= idle_seconds:
            return False
        folder.forget(server)
        return True


def _end(jvm: subprocess.Popen[bytes]) -> None:
    jvm.terminate()
    try:
        jvm.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        jvm.kill()
        jvm.wait()


def _die_with_parent() -> None:
    """A killed supervisor takes the JVM with it; elsewhere than on Linux it can't."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


if __name__ == "__main__":
    main()
