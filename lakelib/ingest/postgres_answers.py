"""Whether a PostgreSQL that could not be used is away, decided by codes, not by the language of its messages.

A server tells why it refuses by a SQLSTATE. Where a connection fails, libpq hands on only its words, in the language of
the server; so the server is asked once more, by the first messages of its protocol, and without a password
(PostgreSQL's documentation: Message Flow, Message Formats, PostgreSQL Error Codes).

One exception hangs on English words: what a server looks at only once it knows the password, it does not tell to who
asks without one. Told in another language, that a role or a database has no connection left is taken for a refusal.
"""

import re
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = ["is_away_at_start", "is_state_of_absence"]

# Lost connections, too many of them, a server that stops, crashed or starts, a standby that could not hold a snapshot.
_ABSENT: Final = re.compile("08...|53300|57P0[1235]|40001")
# libpq's own words, which the wheel of the driver has in English only: where it went, whatever the address named.
_PLACE: Final = re.compile(
    r'connection to server (?:on socket "(?P<socket>[^"]+)"|'
    r'at "(?P<host>[^"]+)"(?: \([^)]+\))?, port (?P<port>\d+)) failed'
)
# A host that is not found; and the server's, in English, about what it looks at once it knows the password.
_WORDS: Final = re.compile("could not translate host name|remaining connection slots|too many connections")
_VERSION: Final = 3 << 16
_ASKS_FOR_TLS: Final = 80877103
_PATIENCE_SECONDS: Final = 10


class _Place(NamedTuple):
    socket: str | None
    host: str | None
    port: str | None


def is_state_of_absence(sqlstate: str | None) -> bool:
    """Whether the SQLSTATE says that the same may succeed later."""
    return _ABSENT.fullmatch(sqlstate or "") is not None


def is_away_at_start(url: str, told: str) -> bool:
    """Whether nobody serves where libpq went, by what it told; not so where a server has another reason to refuse."""
    places = [_Place(**found.groupdict()) for found in _PLACE.finditer(told)]
    return _WORDS.search(told) is not None or any(_is_away(place, url) for place in places)


def _is_away(place: _Place, url: str) -> bool:
    try:
        with _connected(place) as connection:
            return is_state_of_absence(_answer(connection, url))
    except ssl.SSLError:  # an OSError, too; but somebody is there, with a TLS that libpq may speak and Python does not
        return False
    except (OSError, struct.error):  # nobody is there, or hangs up in the middle of an answer
        return True


@contextmanager
def _connected(place: _Place) -> Iterator[socket.socket]:
    if place.socket is not None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE_SECONDS)
            connection.connect(place.socket)
            yield connection
        return
    with socket.create_connection((place.host, int(place.port or 0)), timeout=_PATIENCE_SECONDS) as connection:
        connection.sendall(struct.pack("!ii", 8, _ASKS_FOR_TLS))
        if connection.recv(1) != b"S":
            yield connection
            return
        # No secret is sent, so it does not matter who answers.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(connection, server_hostname=place.host) as encrypted:
            yield encrypted


def _answer(connection: socket.socket, url: str) -> str:
    """The SQLSTATE of a refusal; empty where the server asks for a password, or lets in."""
    address = urlsplit(url)
    user = unquote(address.username or "") or "postgres"
    names = ("user", user, "database", unquote(address.path.lstrip("/")) or user)
    start = b"".join(name.encode() + b"\0" for name in names) + b"\0"
    connection.sendall(struct.pack("!ii", 8 + len(start), _VERSION) + start)
    with connection.makefile("rb") as answers:
        while True:
            kind, size = struct.unpack("!ci", answers.read(5))
            body = answers.read(size - 4)
            if kind == b"E":
                return next((field[1:].decode() for field in body.split(b"\0") if field[:1] == b"C"), "")
            if kind == b"Z" or (kind == b"R" and body[:4] != bytes(4)):
                return ""
