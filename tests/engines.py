import pytest

# What depends on the engine is tested on both. What lakelib decides before or after it, on the one that is quick.
embedded = pytest.mark.parametrize("engine", ["embedded"], indirect=True)
