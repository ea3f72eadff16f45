from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds.azure import azure_store
from tests.clouds.google import google_store
from tests.clouds.lakes import Lake
from tests.clouds.s3 import s3_store
from tests.clouds.store import Store

_STORES = {"s3": s3_store, "abfss": azure_store, "gs": google_store}


@pytest.fixture(scope="session", params=[pytest.param(each, marks=getattr(pytest.mark, each)) for each in _STORES])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Each of the stores; `-m` chooses."""
    with _STORES[request.param]() as opened:
        yield opened


@pytest.fixture
def cloud(store: Store, tmp_path: Path) -> Iterator[Lake]:
    lake = Lake.create(tmp_path / "project", store)
    yield lake
    store.gate.left = None
    store.empty()
    assert lake.files_with_the_secret() == []
