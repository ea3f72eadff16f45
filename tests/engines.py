import os

import pytest

# What depends on the engine is tested on both. What lakelib decides before or after it, on the one that is quick; on
# both with this variable, as `make test-spark` sets it.
_ENGINES = ["embedded", "spark"] if os.environ.get("TEST_ALL_ON_SPARK") else ["embedded"]
embedded = pytest.mark.parametrize("engine", _ENGINES, indirect=True)
