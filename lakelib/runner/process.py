"""The runner's own process, told apart from a later one with the same id."""

import socket
from dataclasses import dataclass
from typing import Self

import psutil

__all__ = ["Process"]


@dataclass(frozen=True)
class Process:
    """`started` is in seconds since the epoch, as psutil gives it."""

    host: str
    pid: int
    started: float

    @classmethod
    def own(cls) -> Self:
        process = psutil.Process()
        return cls(socket.gethostname(), process.pid, process.create_time())

    def is_local(self) -> bool:
        return self.host == socket.gethostname()

    def is_gone(self) -> bool:
        """Only for a process of this host. A dead one that its parent has not waited for is gone, too."""
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - self.started) > 1
        except psutil.NoSuchProcess:
            return True

    def kill(self) -> None:
        """Ends it at once, and returns when it is gone; only for a process of this host."""
        if not self.is_gone():
            process = psutil.Process(self.pid)
            process.kill()
            process.wait()
