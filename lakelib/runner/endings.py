"""Why a notebook's kernel did not come to the end, in our words."""

import signal

from nbclient.exceptions import CellTimeoutError

from lakelib.errors import KernelDiedError, RunError, RunTimeoutError

__all__ = ["death", "not_started", "too_long"]


def too_long(what: str, seconds: float) -> RunTimeoutError:
    return RunTimeoutError(
        f"{what} took longer than {seconds:g} s and was stopped.",
        hint="Raise notebook_timeout_seconds or cell_timeout_seconds in conf/, or run a shorter interval.",
    )


def death(status: int | None, *, cell: int, log: str) -> KernelDiedError:
    """Of a kernel's process, in this cell; `log` is the end of what it wrote past Jupyter."""
    return KernelDiedError(
        f"The kernel's process ended by itself in cell {cell}{_cause(status)}.{_indented(log)}",
        hint=(
            "Nothing of this run was published half. Give the machine more memory or run a shorter interval."
            if status == -signal.SIGKILL
            else "Nothing of this run was published half; run it again."
        ),
    )


def _cause(status: int | None) -> str:
    if status is None:
        return ""
    if status >= 0:
        return f" with exit status {status}"
    name = signal.Signals(-status).name
    return f", killed by {name}" + (", most likely because memory ran out" if -status == signal.SIGKILL else "")


def not_started(error: Exception, log: str) -> RunError:
    """Of a kernel that did not get to the first cell, or whose output did not arrive."""
    if isinstance(error, CellTimeoutError):
        return RunTimeoutError(f"The kernel's output did not arrive: {error}", hint="Run it again; print less.")
    return KernelDiedError(
        f"The kernel 'lake' did not start: {error}{_indented(log)}", hint="`lake doctor` looks at the kernel."
    )


def _indented(log: str) -> str:
    return f"\nIts last words:\n{log}" if log else ""
