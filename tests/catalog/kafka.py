"""A Kafka broker of one process, and what of a schema registry the emitter talks to."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final

from lakelib.airflow.local import free_port
from lakelib.engine.java import find_java
from lakelib.settings import SparkSettings
from tests.serving import serving

CLUSTER: Final = "bGFrZWxpYi1rYWZrYS0wMQ"
SECONDS: Final = 60


@dataclass
class Broker:
    """Keeps what it was told while it is away."""

    folder: Path
    jars: Path
    ports: tuple[int, int]
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports[0]}"

    def format(self) -> None:
        self.folder.mkdir(parents=True)
        clients, controllers = self.ports
        told = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controllers}",
            "listeners": f"PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controllers}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{clients}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.folder / "log"),
            "num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
        }
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in told.items()))
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config", str(self._properties)]
        subprocess.run([*self._java, *tool], check=True, capture_output=True)

    def start(self) -> None:
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen([*self._java, "kafka.Kafka", str(self._properties)], stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while not _listens(self.ports[0]):
            is_late = time.monotonic() > deadline or self.process.poll() is not None
            assert not is_late, (self.folder / "broker.log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(SECONDS)
            self.process = None

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _java(self) -> list[str]:
        return [str(find_java(SparkSettings())), "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{self.jars}/*"]


@contextmanager
def broker(folder: Path, jars: Path) -> Iterator[Broker]:
    started = Broker(folder, jars, (free_port(), free_port()))
    started.format()
    started.start()
    try:
        yield started
    finally:
        started.stop()


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Registry:
    """Gives each schema that it is told of a number."""

    url: str = ""
    schemas: list[str] = field(default_factory=list)

    def number(self, schema: str) -> int:
        if schema not in self.schemas:
            self.schemas.append(schema)
        return self.schemas.index(schema) + 1


@contextmanager
def registry() -> Iterator[Registry]:
    known = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # nothing but the schemas' numbers is known
            self._say(404, {"error_code": 40401, "message": f"Nothing at {self.path}"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._say(200, {"id": known.number(body["schema"])} | body)

        def _say(self, status: int, body: dict[str, Any]) -> None:
            told = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, format: str, *args: object) -> None:
            return

    with serving(Handler) as known.url:
        yield known


def told(address: str, registry: Registry, topic: str) -> list[dict[str, Any]]:
    """What stands in the topic, in order, as DataHub reads it."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "enable.auto.commit": False})
    place = TopicPartition(topic, 0)
    last = consumer.get_watermark_offsets(place, timeout=SECONDS)[1]
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = [consumer.poll(SECONDS) for _ in range(last)]
    consumer.close()
    return [_proposal(message.value(), registry) for message in found]


def _proposal(message: bytes, registry: Registry) -> dict[str, Any]:
    from io import BytesIO

    from fastavro import parse_schema, schemaless_reader

    assert message[0] == 0
    schema = json.loads(registry.schemas[int.from_bytes(message[1:5]) - 1])
    proposal: dict[str, Any] = schemaless_reader(BytesIO(message[5:]), parse_schema(schema))  # type: ignore[assignment]
    return proposal
