"""Delta's two jars: fetched once by the Ivy that Spark brings, kept in the user's cache for every project."""

import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pyspark
from filelock import FileLock
from platformdirs import user_cache_path

from lakelib.engine.java import find_java, write_trust_store
from lakelib.errors import EngineError
from lakelib.settings import SparkSettings

__all__ = ["delta_jars", "jars_folder", "spark_jars"]

_MODULES: Final = ("delta-spark_4.2_2.13", "delta-storage")
_TIMEOUT_SECONDS: Final = 300


def jars_folder() -> Path:
    """Where the jars of the installed `delta-spark` are kept; it exists only when they are complete."""
    return user_cache_path("lakelib") / "jars" / f"delta-{version('delta-spark')}"


def spark_jars() -> Path:
    """Spark's own jars, in the pyspark package."""
    return Path(pyspark.__file__).parent / "jars"


def delta_jars(spark: SparkSettings) -> Sequence[Path]:
    """The jars to put on Spark's class path, in their order; fetched when they are not in the cache.

    Atomic and safe for several processes at once; needs the network only the first time.

    Raises:
        EngineError: they are not there and can't be fetched.
    """
    folder = jars_folder()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            _fetch_once(folder, spark)
    return [folder / f"{module}.jar" for module in _MODULES]


def _fetch_once(folder: Path, spark: SparkSettings) -> None:
    if folder.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as temporary:
        work = Path(temporary)
        write_trust_store(work / "trusted.jks")
        for module in _MODULES:
            _fetch(module, work, java=find_java(spark))
        (work / "jars").replace(folder)


def _fetch(module: str, work: Path, *, java: Path) -> None:
    """Ivy in a folder of its own: a half-filled local Maven repository would mislead it."""
    coordinates = ("io.delta", module, version("delta-spark"))
    command = [
        *(str(java), f"-Djavax.net.ssl.trustStore={work / 'trusted.jks'}", f"-Duser.home={work}"),
        *("-cp", str(_ivy()), "org.apache.ivy.Main"),
        *("-cache", str(work / "ivy"), "-dependency", *coordinates, "-notransitive", "-types", "jar"),
        *("-retrieve", f"{work / 'jars'}/[artifact].[ext]"),
    ]
    output = _output(command)
    if not (work / "jars" / f"{module}.jar").is_file():
        raise EngineError(
            f"{':'.join(coordinates)}, which Spark needs to write Delta, was asked for and could not be fetched:\n"
            f"{_why(output)}",
            hint=f"The first start needs the network. Without one, put {' and '.join(f'{m}.jar' for m in _MODULES)} "
            f"into {jars_folder()}, or use `engine: embedded`, which needs neither Java nor jars.",
        )


def _output(command: Sequence[str]) -> str:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"error: no answer within {_TIMEOUT_SECONDS} s"
    return ended.stdout + ended.stderr


def _ivy() -> Path:
    return next(spark_jars().glob("ivy-*.jar"))


def _why(output: str) -> str:
    """Ivy's warnings and errors, without its tables."""
    lines = [line.strip() for line in output.splitlines()]
    telling = [line for line in lines if "error" in line.lower() or "not found" in line]
    return "\n".join((telling or lines)[-5:])
