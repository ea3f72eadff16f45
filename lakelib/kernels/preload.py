"""What a zygote has imported before a kernel is forked from it: what notebooks use, and what loads it lazily."""

import builtins
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Final

from lakelib.kernels.data_sources import remember_data_sources

__all__ = ["MODULES", "preload"]

MODULES: Final = (
    # lakelib, the engines, and what they load at first use
    *("lakelib.ingest", "lakelib.run", "lakelib.tables", "lakelib.transform", "lakelib.lineage.sql"),
    "sqlglot.dialects.databricks",
    *("lakelib.engine.embedded", "lakelib.engine.spark", "pysail.spark", "grpc._channel"),
    *("pyspark.sql.connect.session", "pyspark.sql.connect.window", "upath.implementations.local"),
    *("pandas.io.formats.html", "pandas.io.formats.string", "numpy.rec"),
    # the kernel, and what it loads at its start
    *("lakelib.kernels.application", "ipykernel.debugger", "IPython.core.completerlib", "IPython.core.debugger"),
    *("IPython.core.logger", "IPython.core.oinspect", "IPython.extensions.storemagic", "IPython.utils.wildcard"),
    *("tornado.platform.asyncio", "tornado.queues", "sqlite3", "pdb", "mimetypes"),
    *("encodings.ascii", "encodings.idna", "encodings.latin_1"),
)


@contextmanager
def _in_a_notebook() -> Iterator[None]:
    """Where pandas looks, when it is loaded, for whether it will show tables in a terminal or in a notebook."""
    vars(builtins)["get_ipython"] = lambda: SimpleNamespace(kernel=None)
    yield
    del vars(builtins)["get_ipython"]


def preload() -> None:
    """Leaves this process with one thread, which is what makes a fork of it safe."""
    # Of what is imported nothing is garbage: looking for it while it grows takes a fifth of the time.
    gc.disable()
    with _in_a_notebook():
        import_module("pandas")
    for name in MODULES:
        import_module(name)
    _rehearse()
    remember_data_sources()
    # OpenBLAS ends its threads in a process that forks, and starts them again where they are needed.
    if child := os.fork():
        os.waitpid(child, 0)
    else:
        os._exit(0)
    # The collector leaves alone what all kernels share, so that their memory stays shared.
    gc.collect()
    gc.freeze()
    gc.enable()


def _rehearse() -> None:
    """Fills caches with what each kernel would otherwise compile again: a fifth of its start."""
    from lakelib.kernels.application import KernelApp

    KernelApp().parse_command_line(["-f", "kernel.json", "--IPKernelApp.log_level=40"])
