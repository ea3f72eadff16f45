"""The command line of the local Spark server: loopback only, tuned for a small machine."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lakelib.engine.java import find_java
from lakelib.engine.spark_jars import delta_jars, spark_jars
from lakelib.settings import SparkSettings

__all__ = ["server_command"]

_MAIN: Final = "org.apache.spark.sql.connect.service.SparkConnectServer"

# What Spark's own launcher opens. It also adds jdk.incubator.vector, which JDKs from a wheel lack.
_OPENED: Final = (
    *(f"java.base/java.{package}" for package in ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util")),
    *("java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic", "java.base/jdk.internal.ref"),
    *("java.base/sun.nio.ch", "java.base/sun.nio.cs", "java.base/sun.security.action", "java.base/sun.util.calendar"),
    "java.security.jgss/sun.security.krb5",
)

_COLLECTOR: Final = "-XX:+UseSerialGC"  # the cheapest for a small heap
# Spark's generated classes fill in minutes what Java keeps for compiled code (48 MB where its quick compiler works
# alone): then nothing is compiled any more, and at last the server dies.
_CODE_CACHE: Final = "-XX:ReservedCodeCacheSize=512m"

_CONF: Final = {
    "java.net.preferIPv4Stack": "true",
    "spark.app.name": "lakelib",
    "spark.master": "local[*]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.port.maxRetries": "0",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.connect.session.manager.defaultSessionTimeout": "24h",
    "spark.databricks.delta.snapshotPartitions": "1",
    # VACUUM would start a job of 10,000 tasks.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
}

_LOG4J: Final = """\
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex
"""


def server_command(spark: SparkSettings, *, folder: Path, port: int) -> Sequence[str]:
    """Starts `java` directly. The token is not in it: it would show in the list of processes.

    `folder` is the server's own; its logging configuration is written there. Raises EngineError without Java or jars.
    """
    scratch, logging = folder / "scratch", folder / "log4j2.properties"
    scratch.mkdir(exist_ok=True)
    logging.write_text(_LOG4J, encoding="utf-8")
    conf = _CONF | {
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch),
        "java.io.tmpdir": str(scratch),
        "log4j2.configurationFile": str(logging),
        **spark.conf,
    }
    return [
        *(str(find_java(spark)), f"-Xmx{spark.memory}", *_java_options(spark)),
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED),
        *("--enable-native-access=ALL-UNNAMED", "-Dio.netty.tryReflectionSetAccessible=true"),
        *(f"-D{key}={value}" for key, value in conf.items()),
        *("-cp", ":".join([*map(str, delta_jars(spark)), f"{spark_jars()}/*"]), _MAIN),
    ]


def _java_options(spark: SparkSettings) -> Sequence[str]:
    """Java takes the last of several values, but refuses to choose between two collectors."""
    has_collector = any(re.fullmatch(r"-XX:\+Use\w+GC", option) for option in spark.java_options)
    return [*([] if has_collector else [_COLLECTOR]), _CODE_CACHE, *spark.java_options]
