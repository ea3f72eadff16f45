"""The runner's own process, told apart from a later one with the same id."""

import socket
from dataclasses import dataclass
from typing import Final, Self

import psutil

__all__ = ["Process"]

_ROUNDED_SECONDS: Final = 2.0  # the machine's start is known to the second


@dataclass(frozen=True)
class Process:
    """`started` is in seconds since the machine's start, which a clock that is set does not change."""

    host: str
    pid: int
    started: float

    @classmethod
    def own(cls) -> Self:
        return cls.of(psutil.Process())

    @classmethod
    def of(cls, process: psutil.Process) -> Self:
        """A process of this host."""
        return cls(socket.gethostname(), process.pid, process.create_time() - psutil.boot_time())

    def is_local(self) -> bool:
        return self.host == socket.gethostname()

    def is_gone(self) -> bool:
        """Only for a process of this host. A dead one that its parent has not waited for is gone, too."""
        try:
            process = psutil.Process(self.pid)
            is_other = abs(Process.of(process).started - self.started) > _ROUNDED_SECONDS
            return is_other or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def kill(self) -> None:
        """Ends it at once, and returns when it is gone; only for a process of this host."""
        if not self.is_gone():
            process = psutil.Process(self.pid)
            process.kill()
            process.wait()
