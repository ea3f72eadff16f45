"""A session on a Spark Connect server: quick to say that the server is gone, and quiet."""

import logging
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["connect"]

_CONF: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # As Delta's own files have them, so that a staged one can become a table's.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.connect.serverStacktrace.enabled": "false",
    "spark.sql.pyspark.jvmStacktrace.enabled": "false",
}
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "[::1]")


def connect(url: str, conf: Mapping[str, str] | None = None) -> "SparkSession":
    """A session of its own, time zone UTC, ANSI mode on, and what else `conf` says.

    A server that does not answer is a PySparkException in seconds: by default the client tries for ten minutes. One on
    this machine is asked directly: gRPC would ask the proxy of `http_proxy` for it.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    _silence()
    channels = DefaultChannelBuilder(url)
    if channels.host in _THIS_MACHINE:
        channels.setChannelOption("grpc.enable_http_proxy", 0)
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as PySpark's own builder does, which takes no channel
    session = cast("SparkSession", ConnectSession.builder.channelBuilder(channels).create())
    session.client.set_retry_policies([DefaultPolicy(max_retries=3, initial_backoff=50, max_backoff=500)])
    try:
        # By one request; PySpark has no public way to it once a session is there.
        session.conf._set_all({**_CONF, **(conf or {})}, silent=False)  # type: ignore[attr-defined]
    except PySparkException:
        session.client.close()
        raise
    return session


def _silence() -> None:
    """Errors are raised; the client would also print each as JSON, with the server's stack."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)
    # PySpark disables this one itself, and IPython, which starts later in a forked kernel, enables what is there.
    logging.getLogger("pyspark.sql.connect.logging").disabled = "SPARK_CONNECT_LOG_LEVEL" not in os.environ
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
