"""No two kernels share what one of them can change, and each is what its client asked for."""

import inspect
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels.running import Kernel, kernel

DRAWS = [
    "import random; print(random.random())",
    "import numpy; print(numpy.random.rand())",
    "import numpy; print(numpy.random.default_rng().random())",
    "import uuid; print(uuid.uuid1())",
    "import uuid; print(uuid.uuid4())",
    "import tempfile; print(tempfile.mktemp())",
    "import secrets; print(secrets.token_hex())",
    "import ssl; print(ssl.RAND_bytes(8))",
    "import multiprocessing; print(bytes(multiprocessing.current_process().authkey))",
    "import os; print(os.getpid(), os.getpgid(0), os.getsid(0))",
]
# What one kernel changes, and how to see it.
CHANGES = [
    ("import os; os.environ['LEAK'] = '1'", "import os; print(os.environ.get('LEAK'))"),
    ("import os; os.chdir('/')", "import os; print(os.getcwd())"),
    ("import os; os.umask(0o777)", "print(open('/proc/self/status').read().split('Umask')[1][:8])"),
    ("import sys; sys.path.append('leak')", "import sys; print(sys.path)"),
    ("import builtins; builtins.leak = 1", "import builtins; print(hasattr(builtins, 'leak'))"),
    ("import pandas; pandas.options.display.max_rows = 7", "import pandas; print(pandas.options.display.max_rows)"),
    ("from lakelib import events; events.subscribe(print)", "from lakelib import events; print(events._listeners)"),
    ("import tempfile; tempfile.tempdir = '/leak'", "import tempfile; print(tempfile.gettempdir())"),
    (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (999, 999))",
        "import resource; print(resource.getrlimit(resource.RLIMIT_CPU))",
    ),
    ("import signal; signal.signal(signal.SIGUSR1, print)", "import signal; print(signal.getsignal(signal.SIGUSR1))"),
    ("import warnings; warnings.simplefilter('error')", "import warnings; print(warnings.filters[0])"),
    ("import logging; logging.root.setLevel(1)", "import logging; print(logging.root.level)"),
    ("leak = 1", "print('leak' in globals())"),
]


@pytest.fixture(scope="module")
def first(runtime: Path) -> Iterator[Kernel]:
    with kernel() as started:
        yield started


@pytest.fixture(scope="module")
def second(runtime: Path) -> Iterator[Kernel]:
    with kernel() as started:
        yield started


@pytest.mark.parametrize("draw", DRAWS)
def test_two_kernels_draw_different_values(draw: str, *, first: Kernel, second: Kernel) -> None:
    drawn = {first.run(draw), second.run(draw)}
    assert len(drawn) == 2
    assert not any("Error" in value for value in drawn)


@pytest.mark.parametrize(("change", "look"), CHANGES)
def test_a_change_stays_in_its_kernel(change: str, look: str, *, first: Kernel, second: Kernel) -> None:
    before = first.run(look)
    first.run(change)
    assert first.run(look) != before
    assert second.run(look) == before
    assert "Error" not in before


def test_a_later_kernel_sees_nothing_of_an_earlier_one() -> None:
    looks = "; ".join(look for _, look in CHANGES)
    with kernel() as earlier:
        before = earlier.run(looks)
        for change, _ in CHANGES:
            earlier.run(change)
    with kernel() as later:
        assert later.run(looks) == before


def test_a_kernel_has_the_environment_and_the_folder_it_was_given(tmp_path: Path) -> None:
    given = os.environ | {"TZ": "Asia/Tokyo", "TMPDIR": str(tmp_path), "ONLY": "here"}
    del given["PATH"]
    with kernel(env=given, cwd=str(tmp_path)) as started:
        assert started.run("import os; print(os.getcwd(), os.environ['ONLY'], 'PATH' in os.environ)") == (
            f"{tmp_path} here False"
        )
        assert started.run("import tempfile, time; print(tempfile.gettempdir(), time.tzname)") == (
            f"{tmp_path} ('JST', 'JST')"
        )


def test_a_kernel_s_standard_input_is_at_its_end() -> None:
    with kernel() as started:
        assert started.run("print(open('/dev/fd/0').read() == '')") == "True"


def test_a_kernel_has_the_limits_of_its_client() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 7, hard))
    try:
        with kernel() as started:
            shown = started.run("import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert shown == str((soft - 7, hard))


def test_engine_sessions_are_each_kernels_own(*, first: Kernel, second: Kernel) -> None:
    begin = (
        "from lakelib.engine.embedded import EmbeddedEngine; engine = EmbeddedEngine()\n"
        "engine.session.range({}).createOrReplaceTempView('numbers')"
    )
    count = "print(engine.session.table('numbers').count(), len(engine.session.catalog.listTables()))"
    first.run(begin.format(3))
    second.run(begin.format(5))
    assert (first.run(count), second.run(count)) == ("3 1", "5 1")


def test_nothing_is_left_to_import_for_a_notebook(project: Path) -> None:
    notebook = """
        import sys
        before = set(sys.modules)
        from lakelib import ingest, start, tables, transform
        from pyspark.sql import functions as F
        from lakelib.context import current
        table = current().engine.session.range(3).withColumn("squared", F.col("id") * F.col("id"))
        html = table.toPandas()._repr_html_()
        # Sail makes the modules below `utils` out of nothing when it starts.
        print(sorted(name for name in set(sys.modules) - before if not name.startswith("utils")))
    """
    with kernel(cwd=str(project)) as started:
        assert started.run(inspect.cleandoc(notebook)) == "[]"


def test_output_past_jupyter_goes_to_the_files_it_was_given(tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    write = "import os, sys; sys.__stdout__.write('words'); sys.__stdout__.flush(); os.write(2, b'noise')"
    with out.open("wb") as stdout, err.open("wb") as stderr, kernel(stdout=stdout, stderr=stderr) as started:
        started.run(write)
    assert (out.read_text(), err.read_text()) == ("words", "noise")


def test_pandas_shows_tables_as_in_a_plain_kernel(first: Kernel) -> None:
    assert first.run("import pandas; print(pandas.options.display.max_columns)") == "20"


def test_an_error_of_the_engine_that_a_notebook_catches_shows_nothing(tmp_path: Path) -> None:
    failing = """
from lakelib.engine.embedded import EmbeddedEngine
engine = EmbeddedEngine()
try:
    engine.session.sql("SELECT nope").collect()
except Exception as error:
    print(type(error).__name__)
"""
    err = tmp_path / "err"
    with err.open("wb") as stderr, kernel(stderr=stderr) as started:
        assert started.run(failing) == "AnalysisException"
    assert err.read_text() == ""


def test_a_kernel_knows_which_data_sources_are_installed_without_reading_metadata(tmp_path: Path) -> None:
    look = "from importlib import metadata; print(len(metadata.entry_points(group='pysail.datasources')))"
    watch = "import sys; seen = []; sys.addaudithook(lambda event, args: event == 'open' and seen.append(args[0]))"
    package = tmp_path / "brought-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[pysail.datasources]\nbrought = brought:Source\n")
    with kernel() as started:
        started.run(watch)
        assert started.run(f"{look}; print([name for name in seen if 'dist-info' in str(name)])") == "0\n[]"
        assert started.run(f"sys.path.append({str(tmp_path)!r}); {look}") == "1"
