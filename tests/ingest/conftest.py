import pytest

from lakelib.ingest import fetching
from tests.ingest.delivering import TODAY


@pytest.fixture(autouse=True)
def day_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run over midnight fetch on the day that they began on."""
    monkeypatch.setattr(fetching, "_today", lambda: TODAY)
