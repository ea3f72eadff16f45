"""What clients, zygotes and their forks say to each other over one connection: a JSON object a packet.

    zygote → client   Event("serves", pid): it takes what comes next
    client → zygote   Launch, with stdin, stdout and stderr as file descriptors
    fork → client     Event("ready", pid): a kernel's ports are bound, a command begins
                      Event("taken", why): another process has one of the kernel's ports
    zygote → client   Event("refused", why), or Event("ended", status), negative for a signal as in `subprocess`;
                      a command says its status itself before

The open connection is the lease: a fork whose client has closed it is killed.
"""

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

__all__ = ["Event", "Launch", "peer", "receive_event", "receive_launch", "send_event", "send_launch"]

_LARGEST: Final = 1 << 20
_STREAMS: Final = 3
_CREDENTIALS: Final = struct.Struct("3i")


@dataclass(frozen=True)
class Launch:
    """A kernel as its client wants it, or a command: a call of `entry`, `module:function`.

    `limits` are the soft resource limits by their number. `idle_seconds` is how long the zygote stays after it,
    None for as long as it would have without.
    """

    entry: str | None
    arguments: Sequence[str]
    env: dict[str, str]
    cwd: str
    umask: int
    limits: Sequence[tuple[int, int]]
    is_leased: bool
    idle_seconds: float | None


@dataclass(frozen=True)
class Event:
    name: str
    value: int | str


def send_launch(connection: socket.socket, launch: Launch, *, streams: Sequence[int]) -> None:
    socket.send_fds(connection, [json.dumps(asdict(launch)).encode()], list(streams))


def receive_launch(connection: socket.socket) -> tuple[Launch, list[int]] | None:
    """None when the client has gone without a word."""
    packet, streams, _, _ = socket.recv_fds(connection, _LARGEST, _STREAMS)
    return (Launch(**json.loads(packet)), streams) if packet else None


def send_event(connection: socket.socket, event: Event) -> None:
    connection.send(json.dumps(asdict(event)).encode())


def receive_event(connection: socket.socket) -> Event:
    """Raises ConnectionError when nobody is left who could say something."""
    packet = connection.recv(_LARGEST)
    if not packet:
        raise ConnectionResetError("closed by the other side")
    return Event(**json.loads(packet))


def peer(connection: socket.socket) -> tuple[int, int]:
    """Process and user at the other end; of a listening one, those of its last call of `listen`."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid
