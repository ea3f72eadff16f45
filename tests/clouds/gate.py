"""A way to a server on this machine that a test can shut."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

__all__ = ["Gate", "gate_to"]


@dataclass
class Gate:
    """How many more bytes of answers pass; None lets all pass."""

    url: str
    left: int | None = None

    def lets(self, size: int) -> bool:
        if self.left is not None:
            self.left -= size
        return self.left is None or self.left >= 0


@contextmanager
def gate_to(port: int) -> Iterator[Gate]:
    class Passage(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as behind:
                threading.Thread(target=_pass_on, args=(self.request, behind), daemon=True).start()
                while (block := behind.recv(1 << 16)) and gate.lets(len(block)):
                    self.request.sendall(block)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Passage) as server:
        gate = Gate(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield gate
        server.shutdown()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
