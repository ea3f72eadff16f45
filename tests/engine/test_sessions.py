import time
from contextlib import nullcontext

import pytest
from pyspark.errors import PySparkException

from lakelib.engine import embedded, open_engine
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


@pytest.mark.parametrize(("variable", "is_there"), [("1", False), (None, True)])
def test_a_session_of_the_embedded_engine_outlasts_any_pause(
    variable: str | None, *, is_there: bool, spark_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first case shows that it is Sail's setting for it: what the user sets counts."""
    name, seconds = next(iter(embedded._LASTING.items()))
    assert int(seconds) > 365 * 86_400
    if variable:
        monkeypatch.setenv(name, variable)
    engine = open_engine(spark_settings.model_copy(update={"engine": "embedded"}))
    try:
        assert engine.session.range(3).count() == 3
        time.sleep(3)
        with nullcontext() if is_there else pytest.raises(PySparkException, match="is not running"):
            assert engine.session.range(3).count() == 3
    finally:
        engine.close()
