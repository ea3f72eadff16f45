"""Runs as they lie in archive and run store, a promise about age, and a place that alerts are sent to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from lakelib.runner.abandonment import open_store
from lakelib.runner.archive import place
from lakelib.runner.process import Process
from lakelib.runner.receipt import Receipt
from lakelib.runner.secrets import Scrubber
from tests.runner.projects import Project


def promise(project: Project, table: str, level: dict[str, object]) -> None:
    """Its contract has this service level."""
    contract = project.folder / "contracts" / f"{table.replace('.', '/')}.yml"
    contract.write_text(json.dumps(json.loads(contract.read_text()) | {"slaProperties": [level]}))


def promise_a_day(project: Project, table: str) -> None:
    """Its contract lets the table be a day old."""
    promise(project, table, {"property": "latency", "value": 1, "unit": "d"})


def record(project: Project, run_id: str, *, hours_ago: float = 0.0, **changes: object) -> None:
    """A run in archive and run store, without having been executed."""
    moment = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat(timespec="milliseconds")
    receipt = Receipt(
        run_id=run_id,
        table="bronze.a",
        title="",
        start_date=None,
        end_date=None,
        parameters={},
        notebook="",
        code_sha256="",
        engine="embedded",
        versions={},
        runner=Process.own(),
        started_at=moment,
        finished_at=moment,
        status="succeeded",
    ).model_copy(update=changes)
    place(project.settings.archive, "bronze.a", interval="undated", run_id=run_id).save_receipt(receipt, Scrubber([]))
    with open_store(project.settings) as store:
        store.record(receipt)


@contextmanager
def receiver() -> Iterator[tuple[str, list[str]]]:
    """A place that alerts are sent to, and what it got."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()
