"""A fork as its client sees it, with the interface of `subprocess.Popen` that jupyter_client uses."""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final
from weakref import WeakSet

from lakelib.errors import KernelDiedError, PortTakenError, RunError
from lakelib.kernels.connecting import connect
from lakelib.kernels.folder import Place
from lakelib.kernels.packets import Event, Launch, receive_event, send_launch

__all__ = ["CAN_FORK", "UNKNOWN_STATUS", "ForkedProcess", "fork_from", "fork_kernel"]

CAN_FORK: Final = sys.platform == "linux" and hasattr(os, "pidfd_open")
"""Linux 5.3 and later tell of a process's end by a descriptor."""

UNKNOWN_STATUS: Final = 255
_START_SECONDS: Final = 60.0
_STATUS_SECONDS: Final = 1.0
_LOOK_MILLISECONDS: Final = 50


_leases: WeakSet[socket.socket] = WeakSet()


def _leave_to_parent() -> None:
    """What a client forks has no part in its leases: it may live on when the client is gone."""
    for lease in [*_leases]:
        lease.close()


os.register_at_fork(after_in_child=_leave_to_parent)


class ForkedProcess:
    """Its open connection is its life: closing it kills the fork, unless that was started as an independent kernel."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        _leases.add(connection)
        self._pidfd = os.pidfd_open(pid)
        self._lock = Lock()

    def poll(self) -> int | None:
        """The status once it has ended, negative for a signal; UNKNOWN_STATUS where its zygote was killed before."""
        with self._lock:
            if self.returncode is None and self._has_ended(0):
                self.returncode = self._status()
                self._connection.close()
                os.close(self._pidfd)
            return self.returncode

    def wait(self) -> int:
        while (status := self.poll()) is None:
            self._has_ended(None)
        return status

    def send_signal(self, signum: int) -> None:
        """To the fork and the processes that it has started, as jupyter_client does it."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _has_ended(self, milliseconds: int | None) -> bool:
        death = select.poll()
        death.register(self._pidfd, select.POLLIN)
        return bool(death.poll(milliseconds))

    def _status(self) -> int:
        """What the zygote says; where that is gone, what the fork has started is ended from here."""
        self._connection.settimeout(_STATUS_SECONDS)
        with suppress(OSError):
            return int(receive_event(self._connection).value)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return UNKNOWN_STATUS


def fork_kernel(launch: Launch, *, streams: Sequence[int]) -> ForkedProcess:
    """Returns when clients can connect to the kernel's ports. A zygote that ends just now is replaced, once.

    Raises:
        KernelDiedError: the kernel was forked and ended before.
        PortTakenError: it did because another process has one of its ports.
        RunError: there is no zygote, or it can't fork; its last words are in the message.
        SettingsError: there can be no private folder for its socket.
    """
    place = Place.for_kernel(launch.env, cwd=Path(launch.cwd))
    try:
        with suppress(ConnectionError):
            return fork_from(connect(place), launch, streams=streams)
        return fork_from(connect(place), launch, streams=streams)
    except OSError as error:
        raise RunError(f"No kernel came from the zygote {place.key}: {error}. {place.last_words()}".rstrip()) from error


def fork_from(
    connection: socket.socket, launch: Launch, *, streams: Sequence[int], seconds: float = _START_SECONDS
) -> ForkedProcess:
    """Raises as `fork_kernel`, and OSError where the zygote at the other end is gone or does not answer so long."""
    try:
        # Its streams would stay open with a launch that nobody takes.
        if (greeting := _answer(connection, seconds=seconds)).name != "serves":
            raise RunError(f"The zygote answered {greeting.name}: {greeting.value}")
        send_launch(connection, launch, streams=streams)
        return ForkedProcess(connection, _ready_pid(_answer(connection, seconds=seconds)))
    except BaseException:
        connection.close()
        raise


def _answer(connection: socket.socket, *, seconds: float) -> Event:
    """Waits not longer than until an interrupt comes, also where its caller holds interrupts back."""
    deadline = time.monotonic() + seconds
    answer = select.poll()
    answer.register(connection, select.POLLIN)
    while not answer.poll(_LOOK_MILLISECONDS):
        if signal.SIGINT in signal.sigpending():
            raise InterruptedError("interrupted")
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer in {seconds:g} s")
    return receive_event(connection)


def _ready_pid(event: Event) -> int:
    match event:
        case Event("ready", int(pid)):
            return pid
        case Event("taken", why):
            raise PortTakenError(
                f"A kernel was to listen at the ports of its connection file; it can't: {why}.",
                hint="Start it again: it gets other ports.",
            )
        case Event("ended", status):
            raise KernelDiedError(
                f"A kernel was forked and ended before it was ready, with status {status}.",
                hint="Its own output says why; where memory is limited, a signal -9 means that it ran out.",
            )
    raise RunError(f"The zygote answered {event.name}: {event.value}")
