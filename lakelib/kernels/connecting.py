"""The client's way to a zygote, which is started when there is none."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from lakelib.kernels.folder import Place
from lakelib.kernels.packets import peer

__all__ = ["connect", "connect_to_running"]

# Clients of a zygote that still imports wait here; where there is no room, `connect` waits too.
_BACKLOG: Final = 1024
_STOPPED_SECONDS: Final = 2.0
# The first process ends at once: the zygote is nobody's child, so it outlives its client and leaves no zombie there.
_CODE: Final = (
    "import os, sys; os.fork() and os._exit(0); sys.path[:1] == [''] and sys.path.pop(0); "
    "from lakelib.kernels.zygote import main; main()"
)


def connect(place: Place) -> socket.socket:
    """To the zygote there, started if need be; it may still be importing.

    Raises:
        OSError: there is none, and none can be started.
    """
    return _connect_to_awake(place) or _start(place)


def _connect_to_awake(place: Place) -> socket.socket | None:
    """None also where the zygote was stopped by a signal, and stays so: it would not answer."""
    if (connection := connect_to_running(place)) is None:
        return None
    pid, deadline = peer(connection)[0], time.monotonic() + _STOPPED_SECONDS
    while _is_stopped(pid):
        if time.monotonic() > deadline:
            connection.close()
            return None
        time.sleep(_STOPPED_SECONDS / 40)
    return connection


def _is_stopped(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")
    return False


def connect_to_running(place: Place) -> socket.socket | None:
    """None where no zygote of this user listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(place.socket))
    except OSError:
        connection.close()
        return None
    if peer(connection)[1] != os.getuid():
        connection.close()
        return None
    return connection


def _start(place: Place) -> socket.socket:
    from filelock import FileLock

    with FileLock(place.lock):
        if connection := _connect_to_awake(place):
            return connection
        _sweep(place.folder)
        with _listening(place) as listener:
            first = _spawn(place, listener)
            started = connect_to_running(place)
    first.wait()
    if started is None:
        raise ConnectionRefusedError("it ended at once")
    return started


def _sweep(folder: Path) -> None:
    """Removes what killed zygotes have left. Only under the folder's lock."""
    for path in folder.glob("*.sock"):
        place = Place(folder, path.stem)
        if connection := connect_to_running(place):
            connection.close()
        else:
            place.forget()


def _listening(place: Place) -> socket.socket:
    """Appears under its name when it listens already, so that nobody is refused in between."""
    unnamed = place.socket.with_suffix(".bind")
    unnamed.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(unnamed))
    unnamed.chmod(0o600)
    listener.listen(_BACKLOG)
    unnamed.rename(place.socket)
    return listener


def _spawn(place: Place, listener: socket.socket) -> "subprocess.Popen[bytes]":
    with place.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _CODE, str(listener.fileno()), str(place.socket)],
            env=dict(place.environment),
            cwd=place.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
