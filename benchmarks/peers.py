"""The peers' environment, and what a PySpark user has set up in theirs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.measuring import PROJECT
from lakelib.engine.java import find_java
from lakelib.engine.spark_jars import delta_jars
from lakelib.errors import SettingsError
from lakelib.settings import SparkSettings

__all__ = ["PEERS_BIN", "check_peers", "spark_environment"]

PEERS_BIN: Final = PROJECT / "benchmarks" / ".venv" / "bin"

# The JDK that comes as a wheel lacks one module, which PySpark's launcher asks for and Spark does not need.
_JAVA: Final = """#!/bin/sh
for argument; do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


def check_peers() -> None:
    """Raises SettingsError where the peers are not installed."""
    if not (PEERS_BIN / "python").exists():
        raise SettingsError(
            f"The peers were asked for; they are not in {PEERS_BIN.parent}.", hint="Install them: make bench-env"
        )


def spark_environment(folder: Path) -> Mapping[str, str]:
    """Variables for PySpark of the peers' environment: Java, Delta's jars in DELTA_JARS, loopback only.

    Java is the one that lakelib's own server runs on. The jars are already on the disk: kinder to the peer than
    `spark.jars.packages`, which resolves them at each start. `folder` gets a small Java home.
    """
    java = folder / "java" / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    java.write_text(_JAVA.format(java=find_java(SparkSettings())), encoding="utf-8")
    java.chmod(0o755)
    return {
        "JAVA_HOME": str(java.parent.parent),
        "DELTA_JARS": ",".join(map(str, delta_jars(SparkSettings()))),
        "PYSPARK_PYTHON": str(PEERS_BIN / "python"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
