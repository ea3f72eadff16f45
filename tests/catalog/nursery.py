"""Processes that emit and can be killed: forked from one that has all imported, so that each starts in no time.

Not from the tests' own process: delta-rs, once used, does not run in a fork of it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from typing import IO, cast

from lakelib.catalog.emitting import emit
from lakelib.settings import CatalogSettings, Settings, load_settings


class Nursery:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._asked, self._told = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
        self._child: int | None = None

    def begin(self, settings: Settings) -> None:
        assert self._child is None
        print(json.dumps([str(settings.project), settings.catalog.model_dump()]), file=self._asked, flush=True)
        self._child = int(self._told.readline())

    def kill(self) -> None:
        assert self._child is not None
        os.kill(self._child, SIGKILL)

    def was_killed(self) -> bool:
        """Waits for its end."""
        status = int(self._told.readline())
        self._child = None
        assert os.WIFSIGNALED(status) or status == 0
        return os.WIFSIGNALED(status)


@contextmanager
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Nursery(process)


def main() -> None:
    import pyarrow.lib  # noqa: F401 - for the children

    from lakelib.catalog import datasets, processes, profiling, sinks, validating  # noqa: F401

    for line in sys.stdin:
        folder, catalog = json.loads(line)
        child = os.fork()
        if not child:
            emit(load_settings(Path(folder), catalog=CatalogSettings(**catalog)))
            os._exit(0)
        say(child)
        say(os.waitpid(child, 0)[1])


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
