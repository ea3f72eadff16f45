"""Airflow's services as forks of one process that has imported what they need, which would take each of them seconds.

`python -m lakelib.airflow.launching` is that process. It reads a line of JSON for each service, `command` and `log`,
and answers with the process id.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final

import psutil

from lakelib.errors import EngineError

__all__ = ["Launcher", "end_with_parent", "main"]

_OF_SERVICES: Final = ("airflow.jobs.scheduler_job_runner", "airflow.jobs.triggerer_job_runner")
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


class Launcher:
    """The process, started by whoever wants services. What it writes itself goes to `log`."""

    def __init__(self, *, environment: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 -- this process has one thread
            )

    def start(self, command: Sequence[str], *, log: Path) -> psutil.Process:
        """A service in a session of its own, which Ctrl-C does not reach; it ends with the launcher.

        Raises:
            EngineError: the launcher has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"command": command, "log": str(log)}).encode() + b"\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise EngineError(
                f"Airflow's {command[0]} was to be started; what starts it has ended.", hint=f"Its log is {self._log}."
            )
        return psutil.Process(int(answer))

    def close(self) -> None:
        """Ends the launcher, and with it what still runs of its services."""
        # It has nothing to clean up, and what it has imported takes seconds to say goodbye.
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()


def end_with_parent() -> None:
    """Linux: this process gets SIGTERM when its parent is gone, however it went."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> None:
    from lakelib.airflow import preloaded

    for module in _OF_SERVICES:
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a service that has ended leaves no zombie
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become_service(Path(asked["log"]))
            sys.argv = ["airflow", *asked["command"]]
            preloaded.main()  # type: ignore[no-untyped-call]
            return
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become_service(log: Path) -> None:
    os.setsid()
    end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Path(os.devnull).open("rb") as nothing, log.open("ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)


if __name__ == "__main__":
    main()
