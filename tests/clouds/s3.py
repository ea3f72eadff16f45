"""A store that speaks S3 on this machine: moto's server."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from tests.clouds.gate import gate_to
from tests.clouds.store import BUCKET, Store

__all__ = ["s3_store"]

_READY: Final = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")
_HASTY: Final = {"connect_timeout": 1, "read_timeout": 2, "retries": {"max_attempts": 1}}


class _S3(Store):
    scheme = "s3"
    some_pages = 3000

    def buckets(self) -> list[str]:
        return [each["Name"] for each in self.client.list_buckets()["Buckets"]]

    def _put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=name, Body=content)

    def _names(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def _delete(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=name)


@contextmanager
def s3_store() -> Iterator[Store]:
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            port = next(int(found[1]) for line in server.stderr if (found := _READY.search(line)))
            threading.Thread(target=server.stderr.read, daemon=True).start()
            key, secret, client = _credentials(f"http://127.0.0.1:{port}")
            with gate_to(port) as gate:
                yield _S3(
                    gate,
                    client,
                    options={"endpoint_url": gate.url, "key": "env:S3_KEY", "secret": "env:S3_SECRET"}
                    | {"config_kwargs": _HASTY},
                    variables={"S3_KEY": key, "S3_SECRET": secret},
                    secret=secret,
                    mistaken={
                        "secret": ({"S3_SECRET": "not-the-secret"}, "signature"),
                        "user": ({"S3_KEY": "AKIANOBODY"}, "does not exist in our records"),
                        "bucket": ({"LAKE_LANDING": "s3://nobodys-bucket/lake"}, "bucket does not exist"),
                    },
                )
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
