"""A process killed at any moment leaves each table as before or as after; running the interval again ends well."""

import os
import signal
import subprocess
import sys

import pytest

from tests.engines import embedded
from tests.line.conftest import LANDING, ROOT
from tests.line.oracles import mismatches

# Kills itself, as nothing else can at so exact a moment, when the Nth event of a kind is told.
DIES = """
import os, signal, sys
from lakelib import events
from tests.line.conftest import Line
from lakelib.settings import load_settings
from lakelib.engine import open_engine

kind, number = sys.argv[1], int(sys.argv[2])
seen = 0

def die(event):
    global seen
    seen += type(event).__name__ == kind
    if seen == number:
        os.kill(os.getpid(), signal.SIGKILL)

events.subscribe(die)
settings = load_settings()
Line(settings.project, open_engine(settings)).run("2013-01-01", "2013-01-01")
"""
MOMENTS = [
    ("DeliverySeen", 1),  # parsed, nothing staged
    ("Staged", 1),
    ("Published", 1),  # the first table is written, its manifest is not
    ("Published", 11),
]


@embedded
@pytest.mark.parametrize(("kind", "number"), MOMENTS)
def test_a_killed_run_is_finished_by_running_it_again(new_line, kind, number):
    line = new_line(landing=LANDING)
    killed = subprocess.run(
        [sys.executable, "-c", DIES, kind, str(number)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    line.run("2013-01-01")
    assert mismatches(line.warehouse, "day_001") == []
    assert not list((line.warehouse).glob("quarantine/*"))
