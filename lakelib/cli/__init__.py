"""The command `lake`. Nothing that is slow to import is imported before the command that needs it runs."""

import os
import sys
from typing import Final

__all__ = ["main"]

_INTERRUPTED: Final = 130
_STDERR: Final = 2

# They start kernels, or look after the processes that are resident; all others may be forks of one of these.
_PROCESSES_OF_THEIR_OWN: Final = {"doctor", "engine", "replay", "resume", "run"}


def main() -> None:
    """Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    _open_what_is_closed()
    try:
        _main()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _open_what_is_closed() -> None:
    """Standard streams that the shell has closed (`>&-`) lead nowhere: no file of ours may take their number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(number)
    sys.stdin, sys.stdout = sys.stdin or os.fdopen(0), sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _main() -> None:
    command = next(iter(sys.argv[1:]), "-")
    if not command.startswith("-") and command not in _PROCESSES_OF_THEIR_OWN:
        from lakelib.kernels.commands import run_forked

        if (status := run_forked("lakelib.cli.app:run", sys.argv)) is not None:
            sys.exit(status)
    from lakelib.cli.app import run

    run()
