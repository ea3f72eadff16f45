import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_core.utils import ensure_event_loop

from lakelib import kernels


@pytest.fixture(scope="session")
def runtime() -> Iterator[Path]:
    """A runtime folder of Jupyter for these tests, whose zygotes end with it. Its path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="lake-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", folder)
        yield Path(folder)
        kernels.stop()
        # The loop in which jupyter_client waits for whoever is not asynchronous.
        ensure_event_loop().close()


@pytest.fixture(autouse=True)
def _in_that_runtime_folder(runtime: Path) -> None:
    pass
