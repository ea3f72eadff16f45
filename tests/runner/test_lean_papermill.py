"""What the runner loads of papermill, told by a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_LOADED = """
import json, sys
{before}
from lakelib.runner import kernel
loaded = [name for name in ("pyarrow", "requests") if name in sys.modules]
import papermill.iorw, pyarrow.fs, requests
print(json.dumps([loaded, papermill.iorw.requests.get is requests.get, pyarrow.fs.__name__]))
"""


@pytest.mark.parametrize(
    ("before", "loaded"),
    [
        pytest.param("", [], id="alone"),
        pytest.param("import requests", ["requests"], id="after requests"),
        pytest.param("import pyarrow", ["pyarrow"], id="after pyarrow"),
    ],
)
def test_papermill_comes_without_what_it_does_not_need_here_and_finds_it_where_it_does(before: str, loaded: list[str]):
    code = _LOADED.format(before=before)
    told = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
    found, is_the_same, files = json.loads(told)
    assert (set(loaded) <= set(found), is_the_same, files) == (True, True, "pyarrow.fs")
    assert before or not found


def test_a_stores_driver_that_papermill_loads_finds_all_of_requests(tmp_path: Path):
    """As gcsfs and azure.identity do, where landing is in a cloud."""
    (tmp_path / "gcsfs.py").write_text(
        "import requests.exceptions\nfrom requests.adapters import HTTPAdapter\nclass GCSFileSystem: ...\n"
    )
    code = (
        "from lakelib.runner import kernel; import gcsfs, papermill.iorw as found, requests;"
        "print(found.GCSFileSystem is gcsfs.GCSFileSystem, found.requests.get is requests.get)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert told.stdout.split() == ["True", "True"]
