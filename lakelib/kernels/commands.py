"""A command of the shell as a fork of the zygote that is there, which has imported what takes a command a second."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lakelib.errors import LakeError
from lakelib.kernels.connecting import connect_to_running
from lakelib.kernels.folder import Place
from lakelib.kernels.launching import as_here
from lakelib.kernels.process import CAN_FORK, ForkedProcess, fork_from

__all__ = ["run_forked"]

_SIGNALED: Final = 128
# A command that waits no longer for a zygote that imports or is stopped does its work itself.
_ANSWER_SECONDS: Final = 1.5


def run_forked(entry: str, arguments: Sequence[str]) -> int | None:
    """The exit status of `entry` (`module:function`), called without arguments where `sys.argv` are these.

    It has this process's streams, folder, environment and limits, gets its interrupt, and is killed by a second one and
    when this process ends. None, and nothing was done: no zygote of this environment is resident, it does not answer at
    once, or one of the streams is closed.
    """
    if not CAN_FORK or None in (sys.stdin, sys.stdout, sys.stderr):
        return None
    if (fork := _fork(entry, arguments)) is None:
        return None
    status = fork.wait()
    return status if status >= 0 else _SIGNALED - status


def _fork(entry: str, arguments: Sequence[str]) -> ForkedProcess | None:
    with suppress(OSError, LakeError):
        cwd = Path.cwd()
        if connection := connect_to_running(Place.for_kernel(os.environ, cwd=cwd)):
            launch = as_here(arguments, env=os.environ, cwd=cwd, entry=entry)
            with _interrupts_held():
                fork = fork_from(connection, launch, streams=[0, 1, 2], seconds=_ANSWER_SECONDS)
                _forward_interrupts(fork.pid)
            return fork
    return None


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """One that comes meanwhile is not lost: it comes at the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _forward_interrupts(pid: int) -> None:
    """To the group of a fork whose process id can't become another's before this process ends; the second one kills."""
    signals = iter((signal.SIGINT,))

    def forward(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(pid, next(signals, signal.SIGKILL))

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the shell has it ignored
        signal.signal(signal.SIGINT, forward)
