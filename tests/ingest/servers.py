"""A real HTTP server with a list of records, which misbehaves as it is told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.serving import serving

__all__ = ["Reply", "Shop", "open_shop"]


@dataclass
class Reply:
    """`promised`: a Content-Length that is not the body's."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None


Fault = Callable[[Reply], Reply | None]


@dataclass
class Shop:
    """`faults` are spent one a request, in order; None answers as it should."""

    url: str = ""
    orders: list[dict[str, Any]] = field(default_factory=lambda: [{"id": n} for n in range(7)])
    size: int = 3
    faults: list[Fault | None] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def reply(self, query: dict[str, str], path: str) -> Reply:
        """Pages by number, by cursor and by link at once; the cursor of a page is where the next one begins."""
        start = int(query.get("cursor", (int(query.get("page", 1)) - 1) * self.size))
        page, end = self.orders[start : start + self.size], start + self.size
        following = str(end) if end < len(self.orders) else None
        body = {"data": {"items": page}, "next": following}
        headers = {"Link": f'<{path}?cursor={following}>; rel="next"'} if following else {}
        return Reply(json.dumps(body).encode(), headers=headers)


@contextmanager
def open_shop() -> Iterator[Shop]:
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            shop.asked.append(query)
            shop.headers.append(dict(self.headers))
            reply = shop.reply(query, address.path)
            fault = shop.faults.pop(0) if shop.faults else None
            changed = fault(reply) if fault else reply
            if changed is not None:
                self._send(changed)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            length = len(reply.body) if reply.promised is None else reply.promised
            for name, value in {**reply.headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as address:
        shop.url = f"{address}/orders"
        yield shop
