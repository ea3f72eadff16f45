"""What of a DataHub server the emitter talks to; it refuses what a server would, and fails when it is told to."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from lakelib.catalog.validating import faults
from tests.serving import serving

CONFIG = {
    "models": {},
    "noCode": "true",
    "versions": {"acryldata/datahub": {"version": "v1.3.0", "commit": "0"}},
    "datahub": {"serverType": "prod"},
    "managedIngestion": {"enabled": False},
    "statefulIngestionCapable": True,
    "supportsImpactAnalysis": True,
    "telemetry": {"enabledCli": False, "enabledIngestion": False},
}


@dataclass
class DataHubDouble:
    """`failures` are the answers to the next posts: a status, or seconds to be silent for. `healthy` posts are taken
    before it goes away, where that is said. `on_post` is told when a post came and when it was taken."""

    url: str = ""
    token: str | None = None
    failures: list[int | float] = field(default_factory=list)
    healthy: int | None = None
    taken: list[dict[str, Any]] = field(default_factory=list)
    on_post: Callable[[str], None] = lambda _: None

    def answer(self, proposals: list[dict[str, Any]]) -> int:
        try:
            self.on_post("came")
        except ConnectionAbortedError:
            return 500
        status = self._taken(proposals)
        self.on_post("taken")
        return status

    def _taken(self, proposals: list[dict[str, Any]]) -> int:
        if self.healthy is not None:
            if self.healthy == 0:
                return 500
            self.healthy -= 1
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, int):
                return failure
            time.sleep(failure)
            return 503
        if any(faults(each) for each in proposals):
            return 422
        self.taken += proposals
        return 200

    @property
    def stored(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """What DataHub holds then: of each aspect the last, of what has a time each one of that time."""
        return {_key(each): each["aspect"]["json"] for each in self.taken}


def _key(proposal: dict[str, Any]) -> tuple[str, ...]:
    told = proposal["aspect"]["json"]
    moment = [
        str(told[name]) for name in ("timestampMillis", "status", "runId") if "timestampMillis" in told and name in told
    ]
    return proposal["entityUrn"], proposal["aspectName"], *moment


def _of_aspects(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The older endpoints: an aspect is text inside a proposal."""
    proposals = body.get("proposals") or [body["proposal"]]
    return [each | {"aspect": {"json": json.loads(each["aspect"]["value"])}} for each in proposals]


def _of_entities(body: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """OpenAPI, version 3: aspects by their names beside the URN."""
    return [
        {"entityType": kind, "entityUrn": entity["urn"], "aspectName": name, "aspect": {"json": told["value"]}}
        for entity in body
        for name, told in entity.items()
        if name != "urn"
    ]


@contextmanager
def datahub_double(token: str | None = None) -> Iterator[DataHubDouble]:
    double = DataHubDouble(token=token)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200 if self.path == "/config" else 404, CONFIG)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if double.token is not None and self.headers.get("Authorization") != f"Bearer {double.token}":
                self._say(401, {"message": "Unauthorized to perform this action."})
            elif self.path.startswith("/aspects?action=ingestProposal"):
                self._say(double.answer(_of_aspects(body)), {})
            elif self.path.startswith("/openapi/v3/entity/"):
                kind = self.path.rpartition("/")[2].partition("?")[0]
                self._say(double.answer(_of_entities(body, kind)), {})
            else:
                self._say(404, {})

        def _say(self, status: int, body: dict[str, Any]) -> None:
            told = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # a client that waits no longer
                self.wfile.write(told)

        def log_message(self, format: str, *args: object) -> None:
            return

    with serving(Handler) as double.url:
        yield double
