"""A store that speaks S3 on this machine (moto's server), behind a gate that a test can shut."""

import json
import re
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx

__all__ = ["BUCKET", "Store", "s3_store"]

BUCKET: Final = "acme-landing"
_READY: Final = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")


@dataclass
class Gate:
    """How many more bytes of answers pass; None lets all pass."""

    left: int | None = None

    def lets(self, size: int) -> bool:
        if self.left is not None:
            self.left -= size
        return self.left is None or self.left >= 0


@dataclass
class Store:
    """`url` leads through the gate, `client` past it; only these credentials open it."""

    url: str
    key: str
    secret: str
    client: Any
    gate: Gate

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"lake/{name}", Body=content)

    def names(self) -> list[str]:
        told = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"].removeprefix("lake/") for each in told]

    def empty(self) -> None:
        for name in self.names():
            self.client.delete_object(Bucket=BUCKET, Key=f"lake/{name}")


@contextmanager
def s3_store() -> Iterator[Store]:
    """It has one bucket, and ends with the `with` block."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            port = next(int(found[1]) for line in server.stderr if (found := _READY.search(line)))
            threading.Thread(target=server.stderr.read, daemon=True).start()
            with _gate(port) as (gate, url):
                yield Store(url, *_credentials(f"http://127.0.0.1:{port}"), gate)
        finally:
            server.terminate()


def _credentials(url: str) -> tuple[str, str, Any]:
    import boto3  # only the environment of these tests has it

    def client(service: str, key: str, secret: str) -> Any:
        options = {"endpoint_url": url, "aws_access_key_id": key, "aws_secret_access_key": secret}
        return boto3.client(service, region_name="us-east-1", **options)

    users = client("iam", "any", "any")
    users.create_user(UserName="lake")
    may = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    users.put_user_policy(UserName="lake", PolicyName="s3", PolicyDocument=policy)
    made = users.create_access_key(UserName="lake")["AccessKey"]
    httpx.post(f"{url}/moto-api/reset-auth", content=b"0")  # from here on, credentials are looked at
    files = client("s3", made["AccessKeyId"], made["SecretAccessKey"])
    files.create_bucket(Bucket=BUCKET)
    return made["AccessKeyId"], made["SecretAccessKey"], files


@contextmanager
def _gate(port: int) -> Iterator[tuple[Gate, str]]:
    gate = Gate()

    class Passage(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as behind:
                threading.Thread(target=_pass_on, args=(self.request, behind), daemon=True).start()
                while (block := behind.recv(1 << 16)) and gate.lets(len(block)):
                    self.request.sendall(block)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Passage) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield gate, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
