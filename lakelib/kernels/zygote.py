"""The resident process that kernels and commands are forked from. Nothing of a notebook ever runs in it.

Started by `connecting` with its listening socket, which clients may connect to while it still imports.
"""

import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from filelock import FileLock

from lakelib.kernels.child import Birth, live
from lakelib.kernels.folder import Place
from lakelib.kernels.key import LIMITS, UNLIFTED, source_stamps
from lakelib.kernels.packets import Event, Launch, peer, receive_launch, send_event
from lakelib.kernels.preload import preload

__all__ = ["main"]

_LOOK_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 15 * 60.0
_BACKLOG: Final = 1024
# What Python itself ignores.
_IGNORED: Final = {signal.SIGPIPE, signal.SIGXFSZ}


@dataclass(eq=False)
class _Fork:
    """`pidfd` is None once it has ended, `connection` once its client has gone; then it is buried."""

    pid: int
    pidfd: int | None
    connection: socket.socket | None
    is_leased: bool
    keeps_awake: bool


class _Zygote:
    """Its forks, and everything it waits for: each with what is to be done then."""

    def __init__(self, listener: socket.socket, place: Place) -> None:
        self._listener = listener
        self._place = place
        self._inode = _inode(place.socket)
        self._stamps = source_stamps()
        self._forks: set[_Fork] = set()
        self._idle_seconds = _IDLE_SECONDS
        self._needed_at = time.monotonic()
        self._is_withdrawn = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def serve(self) -> Birth | None:
        """Returns None when it is not needed any more, and in each fork what this is to become."""
        while True:
            ready = self._selector.select(0 if self._is_withdrawn and not self._forks else self._look_seconds)
            for key, _ in ready:
                act: Callable[[], Birth | None] = key.data
                if birth := act():
                    return birth
            if (not ready or self._has_idled) and self._is_over():
                return None

    @property
    def _look_seconds(self) -> float:
        return min(_LOOK_SECONDS, self._idle_seconds / 4)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if peer(connection)[1] == os.getuid():
            _say(connection, Event("serves", os.getpid()))
            self._selector.register(connection, selectors.EVENT_READ, partial(self._answer, connection))
        else:
            connection.close()

    def _answer(self, connection: socket.socket) -> Birth | None:
        self._selector.unregister(connection)
        try:
            asked = receive_launch(connection)
        except (OSError, ValueError, TypeError) as error:
            _say(connection, Event("refused", f"not understood: {error}"))
            asked = None
        if asked is None:
            connection.close()
            return None
        launch, streams = asked
        if launch.idle_seconds is not None:
            self._needed_at, self._idle_seconds = time.monotonic(), launch.idle_seconds
        try:
            return self._fork(connection, launch, streams)
        finally:
            for stream in streams:
                os.close(stream)

    def _fork(self, connection: socket.socket, launch: Launch, streams: list[int]) -> Birth | None:
        try:
            pid = os.fork()
        except OSError as error:
            _say(connection, Event("refused", f"the system does not fork: {error}"))
            connection.close()
            return None
        if pid == 0:
            self._leave()
            return Birth(connection, launch, [os.dup(stream) for stream in streams])
        pidfd = os.pidfd_open(pid)
        fork = _Fork(pid, pidfd, connection, launch.is_leased, keeps_awake=launch.idle_seconds is not None)
        self._forks.add(fork)
        self._selector.register(pidfd, selectors.EVENT_READ, partial(self._ended, fork, pidfd))
        self._selector.register(connection, selectors.EVENT_READ, partial(self._left, fork, connection))
        return None

    def _leave(self) -> None:
        """Closes, in a fork, what belongs to the zygote: also what other clients wait at."""
        for watched in list(self._selector.get_map().values()):
            if isinstance(watched.fileobj, socket.socket):
                watched.fileobj.close()
            else:
                os.close(watched.fd)
        self._selector.close()

    def _left(self, fork: _Fork, connection: socket.socket) -> None:
        """The client of a fork has gone: its lease is over."""
        self._selector.unregister(connection)
        connection.close()
        fork.connection = None
        if fork.pidfd is None:
            self._bury(fork)
        elif fork.is_leased:
            _kill_group(fork)

    def _ended(self, fork: _Fork, pidfd: int) -> None:
        """Tells the client, and takes along what the fork has left running in its process group."""
        self._selector.unregister(pidfd)
        found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        os.close(pidfd)
        fork.pidfd = None
        _kill_group(fork)
        if fork.connection is None:
            self._bury(fork)
        elif found is not None:
            has_exited = found.si_code == os.CLD_EXITED
            _say(fork.connection, Event("ended", found.si_status if has_exited else -found.si_status))

    def _bury(self, fork: _Fork) -> None:
        """Only now: until its client has gone, its process id can't become another's."""
        os.waitpid(fork.pid, 0)
        self._forks.remove(fork)
        if fork.keeps_awake:
            self._needed_at = time.monotonic()

    def _is_over(self) -> bool:
        if self._forks or self._is_withdrawn:
            return not self._forks
        if self._has_idled or not self._can_be_found() or source_stamps() != self._stamps:
            self._withdraw()
        return False

    @property
    def _has_idled(self) -> bool:
        return not self._forks and time.monotonic() - self._needed_at > self._idle_seconds

    def _withdraw(self) -> None:
        """Nobody can connect from here on; who already has is still served."""
        self._is_withdrawn = True
        if self._can_be_found():
            with FileLock(self._place.lock):
                if self._can_be_found():
                    self._place.forget()

    def _can_be_found(self) -> bool:
        return _inode(self._place.socket) == self._inode


def main() -> None:
    """Of `python -c … SOCKET PATH`: the listening socket's number, and its path."""
    listener, path = socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])
    # From now on, whoever connects sees this process as the other end.
    listener.listen(_BACKLOG)
    _restore_signals()
    for limit in set(LIMITS).difference(UNLIFTED):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (hard, hard))
    preload()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        sys.stderr.write(f"{threads} threads are alive before the first fork; only one is forked.\n")
    birth = _Zygote(listener, Place(path.parent, path.stem)).serve()
    if birth is not None:
        live(birth)


def _restore_signals() -> None:
    """Undoes what the first client's shell may have set: a background job ignores Ctrl-C, `nohup` hangups."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for signum in signal.valid_signals():
        if signal.getsignal(signum) is signal.SIG_IGN and signum not in _IGNORED:
            signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _say(connection: socket.socket, event: Event) -> None:
    with suppress(OSError):  # the client may be gone, which its connection tells
        send_event(connection, event)


def _kill_group(fork: _Fork) -> None:
    with suppress(ProcessLookupError):
        os.killpg(fork.pid, signal.SIGKILL)
