"""How a project's resident Spark server is found again: a file in its folder, readable by the user alone."""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import psutil
from filelock import FileLock

from lakelib.settings import SparkSettings

__all__ = ["Server", "ServerFolder", "fingerprint"]

_OF_CLIENTS: Final = {"token", "small_write"}
_OF_A_STACK: Final = re.compile(r"\s+(at |\.\.\. \d+ more)")


def fingerprint(spark: SparkSettings) -> str:
    """What of the settings a server is started with, as one word by which two of them can be compared."""
    return hashlib.sha256(spark.model_dump_json(exclude=_OF_CLIENTS).encode()).hexdigest()


@dataclass(frozen=True)
class Server:
    """A started server: its supervisor's pid, its JVM's, what a client needs to get in, and of which settings it is."""

    pid: int
    jvm_pid: int
    port: int
    token: str = field(repr=False)
    started_at: float
    settings: str

    @property
    def url(self) -> str:
        """With any host name but `localhost`, a client that has a token wants TLS and hangs."""
        return f"sc://localhost:{self.port}/;token={self.token}"

    def is_alive(self) -> bool:
        """Whether the supervisor's own JVM listens on the port: an open port alone could be anybody's."""
        try:
            return self.runs() and self._sockets(psutil.CONN_LISTEN) > 0
        except psutil.Error:
            return False

    def runs(self) -> bool:
        """Whether the supervisor still has its JVM: cheap enough to ask before each use."""
        try:
            jvm = psutil.Process(self.jvm_pid)
            return jvm.ppid() == self.pid and jvm.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def clients(self) -> int:
        """Connections that are open at this moment."""
        try:
            return self._sockets(psutil.CONN_ESTABLISHED)
        except psutil.Error:
            return 0

    def _sockets(self, status: str) -> int:
        sockets = psutil.Process(self.jvm_pid).net_connections("tcp")
        return sum(socket.status == status and socket.laddr.port == self.port for socket in sockets)


@dataclass(frozen=True)
class ServerFolder:
    """`engine_state` of the settings. The state file's time is the last moment that somebody needed the server."""

    path: Path

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def _state(self) -> Path:
        return self.path / "server.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time starts, finds or stops the server."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
        with FileLock(self.path / "start.lock"):
            yield

    def ownership(self) -> FileLock:
        """Held by the one supervisor for as long as it lives."""
        return FileLock(self.path / "server.lock")

    def find(self) -> Server | None:
        """The running server; None without one, or when the recorded one is dead."""
        server = self.recorded()
        return server if server is not None and server.is_alive() else None

    def recorded(self) -> Server | None:
        try:
            return Server(**json.loads(self._state.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def record(self, server: Server) -> None:
        """Atomic, mode 0600: it holds the token."""
        written = self._state.with_suffix(".tmp")
        written.unlink(missing_ok=True)
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(server), file)
        written.replace(self._state)

    def forget(self, server: Server) -> None:
        """Removes the record of `server`; another server's stays."""
        if self.recorded() == server:
            self._state.unlink(missing_ok=True)

    def mark_needed(self) -> None:
        os.utime(self._state)

    def idle_seconds(self) -> float:
        return time.time() - self._state.stat().st_mtime

    def log_tail(self, *, lines: int = 15) -> str:
        """Its last lines, without those of Java's stacks."""
        try:
            logged = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join([line for line in logged if not _OF_A_STACK.match(line)][-lines:])
