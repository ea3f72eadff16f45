"""Our side of a benchmark: the command, and the processes that stay for the next run."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lakelib import kernels
from lakelib.engine.spark_server import server_status, stop_server
from lakelib.settings import Settings

__all__ = ["LAKE", "own_residents", "spark_pids", "zygote_pids"]

LAKE: Final = str(Path(sys.executable).with_name("lake"))


@contextmanager
def own_residents(folder: Path, *servers: Settings) -> Iterator[None]:
    """Kernels are forked from zygotes of this benchmark alone, which end with it, as do the Spark servers of `servers`.

    Both this process's cases and what it asks itself get the folder by a variable.
    """
    os.environ["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    try:
        yield
    finally:
        kernels.stop()
        for settings in servers:
            stop_server(settings)


def zygote_pids() -> Sequence[int]:
    return [zygote.pid for zygote in kernels.status()]


def spark_pids(settings: Settings) -> Sequence[int]:
    """The Spark server of the lake, where one runs, beside the zygotes."""
    server = server_status(settings)
    return [*zygote_pids(), *([server.pid] if server else [])]
