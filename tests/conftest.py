import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from lakelib import kernels
from lakelib.engine import Engine, open_engine
from lakelib.engine.spark_server import Server, ensure_server, stop_server
from lakelib.settings import Settings, SparkSettings

# Spark compiles code for each query, and Java what runs often: for a few rows that takes longer than the query.
FOR_FEW_ROWS = SparkSettings(
    conf={"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"},
    java_options=("-XX:TieredStopAtLevel=1",),
)
SUITE_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """All processes of the suite share a folder, and in it one Spark server and the zygotes of kernels.

    They can be interrupted, also where a script has started the suite in its background.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    told = getattr(config, "workerinput", {}).get("suite_folder")
    config.stash[SUITE_FOLDER] = folder = Path(told or tempfile.mkdtemp(prefix="lake-tests-"))
    os.environ["JUPYTER_RUNTIME_DIR"] = str(folder / "jupyter")
    os.environ["AIRFLOW_HOME"] = str(folder / "airflow")  # importing Airflow makes it


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["suite_folder"] = str(node.config.stash[SUITE_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = config.stash[SUITE_FOLDER]
        stop_server(Settings(project=folder))
        kernels.stop()
        shutil.rmtree(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project: its configuration, and a folder for contracts."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "local.yml").write_text("engine: embedded\n")
    (tmp_path / "contracts").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def spark_settings(pytestconfig: pytest.Config) -> Settings:
    """Of a project that only holds the suite's one Spark server."""
    return Settings(project=pytestconfig.stash[SUITE_FOLDER], engine="spark", spark=FOR_FEW_ROWS)


@pytest.fixture(scope="session")
def spark_server(spark_settings: Settings) -> Server:
    """Started once for the suite, whichever of its processes needs it first; stopped when the suite ends."""
    return ensure_server(spark_settings)


@pytest.fixture
def server_names(pytestconfig: pytest.Config) -> Iterator[None]:
    """For tests that ask by table names, which all sessions of a Spark server share: one test at a time."""
    with FileLock(pytestconfig.stash[SUITE_FOLDER] / "names.lock"):
        yield


@pytest.fixture
def spark_environment(spark_server: Server) -> dict[str, str]:
    """Variables that send any other process, of any project, to the suite's server."""
    return {
        "LAKE_ENGINE": f"sc://localhost:{spark_server.port}",
        "LAKE_SPARK__TOKEN": "env:SUITE_SPARK_TOKEN",
        "SUITE_SPARK_TOKEN": spark_server.token,
    }


@pytest.fixture(scope="session", params=["embedded", "spark"])
def engine(request: pytest.FixtureRequest, spark_settings: Settings) -> Iterator[Engine]:
    """Every test that takes it runs on both engines; one session for all of them."""
    if request.param == "spark":
        request.getfixturevalue("spark_server")
    opened = open_engine(spark_settings.model_copy(update={"engine": request.param}))
    yield opened
    opened.close()
