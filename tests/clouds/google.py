"""A store that speaks Google's JSON API on this machine: gcp-storage-emulator, with the token service beside it."""

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import HTTPServer, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.clouds.gate import gate_to
from tests.clouds.store import BUCKET, Store

__all__ = ["google_store"]

# The emulator does not speak gRPC, by which gcsfs otherwise asks what a bucket can do, for a minute and more.
_NO_GRPC: Final = "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"
_USER: Final = "lake@acme"
_TOKEN: Final = "let-in"
_MOVE: Final = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)/moveTo/o/([^/]+)")


class _Google(Store):
    scheme = "gs"
    some_pages = 6000

    def buckets(self) -> list[str]:
        return [each.name for each in self.client.list_buckets()]

    def _put(self, name: str, content: bytes) -> None:
        self.client.bucket(BUCKET).blob(name).upload_from_string(content)

    def _names(self) -> list[str]:
        return [each.name for each in self.client.list_blobs(BUCKET)]

    def _delete(self, name: str) -> None:
        self.client.bucket(BUCKET).delete_blob(name)


@contextmanager
def google_store() -> Iterator[Store]:
    assert os.environ.get(_NO_GRPC) == "false", f"{_NO_GRPC}=false is needed; `make test-gs` sets it"
    # Only the environment of these tests has them.
    from google.cloud.storage import Client
    from google.oauth2.credentials import Credentials

    keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    key, other = map(_text, keys)
    with _emulator(keys[0].public_key()) as server, gate_to(server.server_port) as gate:
        past = {"api_endpoint": f"http://127.0.0.1:{server.server_port}"}
        client = Client("acme", credentials=Credentials(_TOKEN), client_options=past)
        client.create_bucket(BUCKET)
        account = {"type": "service_account", "client_email": _USER, "token_uri": f"{gate.url}/token"}
        yield _Google(
            gate,
            client,
            options={"endpoint_url": gate.url, "token": account | {"private_key": "env:GS_KEY"}},
            variables={"GS_KEY": key},
            secret=key.splitlines()[5],
            mistaken={
                "secret": ({"GS_KEY": other}, "Invalid Credentials"),
                "bucket": ({"LAKE_LANDING": "gs://nobodys-bucket/lake"}, "no such folder"),
            },
        )


@contextmanager
def _emulator(key: rsa.RSAPublicKey) -> Iterator[HTTPServer]:
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage

    public = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    class Handler(RequestHandler):  # type: ignore[misc]
        """The emulator, which lets everybody in and moves nothing, with who may come in and the move of an object."""

        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            if self.path == "/token":
                self._answer(*_token(self.rfile.read(int(self.headers["Content-Length"])), public))
                return False
            if self.headers["Authorization"] != f"Bearer {_TOKEN}":
                self._answer(401, {"error": {"code": 401, "message": "Invalid Credentials"}})
                return False
            return True

        def do_POST(self) -> None:
            if (found := _MOVE.fullmatch(urlsplit(self.path).path)) is None:
                super().do_POST()
            else:
                self._answer(200, _moved(self.storage, *map(unquote, found.groups())))

        def _answer(self, status: int, told: dict[str, Any]) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, Storage(use_memory_fs=True))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def _token(asked: bytes, public: bytes) -> tuple[int, dict[str, Any]]:
    """As a token service answers to what a service account has signed."""
    from google.auth import jwt
    from google.auth.exceptions import GoogleAuthError

    try:
        claims = jwt.decode(parse_qs(asked.decode())["assertion"][0], certs=public)
        assert claims["iss"] == _USER
    except (GoogleAuthError, ValueError):
        return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    return 200, {"access_token": _TOKEN, "expires_in": 3600, "token_type": "Bearer"}


def _moved(storage: Any, bucket: str, name: str, into: str) -> dict[str, Any]:
    moved = dict(storage.get_file_obj(bucket, name)) | {"name": into, "id": f"{bucket}/{into}"}
    storage.create_file(bucket, into, storage.get_file(bucket, name), moved)
    storage.delete_file(bucket, name)
    return moved


def _text(key: rsa.RSAPrivateKey) -> str:
    formats = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(*formats, serialization.NoEncryption()).decode()
