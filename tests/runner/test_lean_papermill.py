"""What the runner loads of papermill, told by a process of its own."""

import json
import subprocess
import sys

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
