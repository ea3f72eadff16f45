"""The zygotes of this user: looked at, started early, stopped."""

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from lakelib.errors import LakeError

if TYPE_CHECKING:
    from lakelib.kernels.folder import Place

__all__ = ["Zygote", "status", "stop", "stop_idle", "warm"]

_END_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Zygote:
    """`memory_bytes` are its own and its share of what its kernels share with it; `kernels` are alive."""

    pid: int
    key: str
    age_seconds: float
    memory_bytes: int
    kernels: int
    folder: Path


def status() -> list[Zygote]:
    """Every zygote in this user's runtime folder, in the order of their start.

    Raises:
        SettingsError: there can be no private folder.
    """
    found = []
    for place in _places():
        with suppress(psutil.NoSuchProcess):  # it may end just now
            process = _process(place)
            if process is not None:
                found.append(_described(place, process))
    return sorted(found, key=lambda zygote: -zygote.age_seconds)


def stop() -> list[Zygote]:
    """Ends all of them with their kernels, and gives what it ended. Kernels that are wanted next get another zygote.

    Raises:
        SettingsError: there can be no private folder.
    """
    from filelock import FileLock

    ended = status()
    for place in _places():
        with FileLock(place.lock):
            if (process := _process(place)) is not None:
                _end(process)
            place.forget()
    return ended


def stop_idle() -> list[Zygote]:
    """Ends those that have no kernel, and gives what it ended.

    Raises:
        SettingsError: there can be no private folder.
    """
    from filelock import FileLock

    ended = []
    idle = {zygote.key: zygote for zygote in status() if not zygote.kernels}
    for place in _places():
        with FileLock(place.lock):
            if place.key in idle and (process := _process(place)) is not None and _ended_idle(process):
                place.forget()
                ended.append(idle[place.key])
    return ended


def warm(env: Mapping[str, str] | None = None, *, cwd: Path | None = None) -> None:
    """Has a zygote import for kernels with this environment (default: this process's), without waiting for it.

    Where there can be none, nothing happens: the kernel that starts then says why.
    """
    from lakelib.kernels.connecting import connect
    from lakelib.kernels.folder import Place
    from lakelib.kernels.process import CAN_FORK

    if not CAN_FORK:
        return
    with suppress(LakeError, OSError):
        connect(Place.for_kernel(env or os.environ, cwd=cwd or Path.cwd())).close()


def _places() -> list["Place"]:
    from lakelib.kernels.folder import Place, runtime_folder

    folder = runtime_folder()
    return [Place(folder, path.stem) for path in folder.glob("*.sock")]


def _process(place: "Place") -> psutil.Process | None:
    """The one that listens there, None after a crash or in the moment of its start."""
    from lakelib.kernels.connecting import connect_to_running
    from lakelib.kernels.packets import peer

    if (connection := connect_to_running(place)) is None:
        return None
    with connection, suppress(psutil.NoSuchProcess):
        process = psutil.Process(peer(connection)[0])
        return process if str(place.socket) in process.cmdline() else None
    return None


def _described(place: "Place", process: psutil.Process) -> Zygote:
    return Zygote(
        pid=process.pid,
        key=place.key,
        age_seconds=time.time() - process.create_time(),
        memory_bytes=process.memory_full_info().pss,
        kernels=sum(child.status() != psutil.STATUS_ZOMBIE for child in process.children()),
        folder=place.folder,
    )


def _ended_idle(zygote: psutil.Process) -> bool:
    """Stopped first, so that no kernel is forked between the look and the end."""
    with suppress(psutil.NoSuchProcess):
        zygote.suspend()
        if any(child.status() != psutil.STATUS_ZOMBIE for child in zygote.children()):
            zygote.resume()
            return False
        _end(zygote)
    return True


def _end(zygote: psutil.Process) -> None:
    """Stopped first, so that it forks no kernel while its kernels are killed."""
    with suppress(psutil.NoSuchProcess):
        zygote.suspend()
        kernels = zygote.children()
        for kernel in kernels:
            with suppress(ProcessLookupError):
                os.killpg(kernel.pid, signal.SIGKILL)
        zygote.kill()
        psutil.wait_procs([zygote, *kernels], timeout=_END_SECONDS)
