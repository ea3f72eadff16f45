"""From what jupyter_client would give to `subprocess.Popen` to a forked kernel; what any fork takes from its client."""

import os
import resource
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lakelib.kernels.key import LIMITS
from lakelib.kernels.packets import Launch
from lakelib.kernels.process import ForkedProcess, fork_kernel

__all__ = ["as_here", "launch"]


def launch(arguments: Sequence[str], options: Mapping[str, Any], *, idle_seconds: float) -> ForkedProcess:
    """A kernel with ipykernel's arguments, in the environment, folder and limits that a child of this process has.

    Raises:
        KernelDiedError, RunError, SettingsError: as `fork_kernel`.
    """
    is_leased = not options.get("independent", False)
    env = dict(options["env"])
    if is_leased:
        env["JPY_PARENT_PID"] = str(os.getpid())
    cwd = Path(options.get("cwd") or ".").resolve()
    wanted = as_here(arguments, env=env, cwd=cwd, is_leased=is_leased, idle_seconds=idle_seconds)
    with Path(os.devnull).open("r+b", buffering=0) as nothing:
        stdin = _descriptor(options.get("stdin"), inherited=nothing.fileno(), nothing=nothing.fileno())
        stdout = _descriptor(options.get("stdout"), inherited=1, nothing=nothing.fileno())
        is_joined = options.get("stderr") == subprocess.STDOUT
        stderr = stdout if is_joined else _descriptor(options.get("stderr"), inherited=2, nothing=nothing.fileno())
        return fork_kernel(wanted, streams=[stdin, stdout, stderr])


def as_here(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    entry: str | None = None,
    is_leased: bool = True,
    idle_seconds: float | None = None,
) -> Launch:
    """With the umask and the limits of this process."""
    return Launch(
        entry=entry,
        arguments=arguments,
        env=dict(env),
        cwd=str(cwd),
        umask=_umask(),
        limits=[(limit, resource.getrlimit(limit)[0]) for limit in LIMITS],
        is_leased=is_leased,
        idle_seconds=idle_seconds,
    )


def _descriptor(stream: Any, *, inherited: int, nothing: int) -> int:
    if stream is None:
        return inherited
    if stream == subprocess.DEVNULL:
        return nothing
    return stream if isinstance(stream, int) else int(stream.fileno())


def _umask() -> int:
    """Read from the system: asking for it by `os.umask` would change it for a moment, for all threads."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))
