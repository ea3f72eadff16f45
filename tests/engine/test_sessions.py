import pytest

from lakelib.engine import open_engine
from lakelib.settings import Settings


@pytest.mark.parametrize("name", ["embedded", "spark"])
@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
def test_an_engine_on_this_machine_is_not_asked_through_a_proxy(
    name: str,
    variable: str,
    request: pytest.FixtureRequest,
    spark_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name == "spark":
        request.getfixturevalue("spark_server")
    for exception in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(exception, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    engine = open_engine(spark_settings.model_copy(update={"engine": name}))
    try:
        assert engine.session.range(3).count() == 3
    finally:
        engine.close()
