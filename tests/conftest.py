from collections.abc import Iterator
from pathlib import Path

import pytest

from lakelib.engine import Engine, open_engine
from lakelib.engine.spark_server import Server, ensure_server, stop_server
from lakelib.settings import Settings

SPARK_FIXTURES = {"spark_server", "spark_environment"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the suite's one Spark server runs in one process, whatever number of them there is."""
    for item in items:
        is_parametrized = getattr(item, "callspec", None) and item.callspec.params.get("engine") == "spark"
        if is_parametrized or SPARK_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("spark"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project: its configuration, and a folder for contracts."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "local.yml").write_text("engine: embedded\n")
    (tmp_path / "contracts").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def spark_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of a project that only holds the suite's one Spark server."""
    return Settings(project=tmp_path_factory.mktemp("spark"), engine="spark")


@pytest.fixture(scope="session")
def spark_server(spark_settings: Settings) -> Iterator[Server]:
    """Started once for the suite, stopped at its end."""
    yield ensure_server(spark_settings)
    stop_server(spark_settings)


@pytest.fixture
def spark_environment(spark_server: Server) -> dict[str, str]:
    """Variables that send any other process, of any project, to the suite's server."""
    return {
        "LAKE_ENGINE": f"sc://localhost:{spark_server.port}",
        "LAKE_SPARK__TOKEN": "env:LAKE_TEST_TOKEN",
        "LAKE_TEST_TOKEN": spark_server.token,
    }


@pytest.fixture(scope="session", params=["embedded", "spark"])
def engine(request: pytest.FixtureRequest, spark_settings: Settings) -> Iterator[Engine]:
    """Every test that takes it runs on both engines; one session for all of them."""
    if request.param == "spark":
        request.getfixturevalue("spark_server")
    opened = open_engine(spark_settings.model_copy(update={"engine": request.param}))
    yield opened
    opened.close()
