import subprocess
import sys
from pathlib import Path
from zipfile import is_zipfile

import pytest

from lakelib.engine.spark_jars import delta_jars
from lakelib.errors import EngineError
from lakelib.settings import SparkSettings

FETCH = """
from lakelib.engine.spark_jars import delta_jars
from lakelib.settings import SparkSettings
print(*delta_jars(SparkSettings()), sep="\\n")
"""

# Nobody listens there.
OFFLINE = "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9"


def test_two_first_users_at_once_both_get_the_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fetching = [subprocess.Popen([sys.executable, "-c", FETCH], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = {process.communicate()[0] for process in fetching}
    assert len(found) == 1
    assert [is_zipfile(path) for path in found.pop().split()] == [True, True]
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", OFFLINE)
    assert len(delta_jars(SparkSettings())) == 2


def test_without_a_network_the_error_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", OFFLINE)
    with pytest.raises(EngineError, match=r"(?s)could not be fetched.*put .*delta-storage\.jar into"):
        delta_jars(SparkSettings())
    assert [path.name for path in (tmp_path / "lakelib" / "jars").iterdir()] == ["delta-4.4.0.lock"]
