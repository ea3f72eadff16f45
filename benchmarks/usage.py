"""What processes use: CPU seconds and memory of a child, its descendants, and residents that outlive it."""

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final

import psutil

__all__ = ["Pids", "Usage", "adopt_orphans", "children", "cpu_seconds", "left_behind", "watched"]

Pids = Callable[[], Sequence[int]]

_PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h
_LOOK_SECONDS: Final = 1.0


def adopt_orphans() -> None:
    """From here on, a descendant whose parent ends becomes this process's child, so that its times are not lost.

    A JVM whose kernel is gone still works for a second: that belongs to the case, too.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> frozenset[int]:
    """Of this process, the adopted ones too."""
    return frozenset(child.pid for child in psutil.Process().children())


def left_behind(residents: Pids, *, before: Collection[int], patience_seconds: float) -> list[psutil.Process]:
    """Waits for children that were not there `before` and are no residents; those that do not end are returned."""
    spared = {*before, *residents()}
    orphans = [child for child in psutil.Process().children() if child.pid not in spared]
    lasting = psutil.wait_procs(orphans, timeout=patience_seconds)[1]
    return [process for process in lasting if process.pid not in residents()]


def cpu_seconds(pids: Sequence[int]) -> float:
    """Of the processes and their living descendants: their own times, and those of children they have waited for."""
    return sum(map(_cpu_seconds, _everybody(pids)))


class Usage:
    """Filled while a child runs; complete after `watched` has ended."""

    def __init__(self) -> None:
        self.ended_at = 0.0
        self.cpu_seconds = 0.0
        self.peak_bytes = 0
        self.pid = 0

    def wait(self, child: "subprocess.Popen[bytes]") -> None:
        """Waits for the child's end, and meanwhile for every adopted process that ends before it."""
        self.pid = child.pid
        while child.returncode is None:
            ended, status, used = os.wait4(-1, 0)
            self.peak_bytes = max(self.peak_bytes, used.ru_maxrss * 1024)
            if ended == child.pid:
                child.returncode = os.waitstatus_to_exitcode(status)
        self.ended_at = time.perf_counter()


@contextmanager
def watched(residents: Pids) -> Iterator[Usage]:
    """Counts the times of all that ended meanwhile and of the residents, and looks at memory once a second.

    Residents are asked for at each look: one that starts meanwhile counts from its beginning.
    """
    usage, done = Usage(), Event()
    before = _waited_seconds() + cpu_seconds(residents())
    looking = Thread(target=_look, args=(usage, residents, done), daemon=True)
    looking.start()
    try:
        yield usage
    finally:
        done.set()
        looking.join()
        usage.cpu_seconds = _waited_seconds() + cpu_seconds(residents()) - before


def _look(usage: Usage, residents: Pids, done: Event) -> None:
    while not done.wait(_LOOK_SECONDS):
        together = sum(map(_memory_bytes, _everybody([usage.pid, *residents()])))
        usage.peak_bytes = max(usage.peak_bytes, together)


def _everybody(pids: Sequence[int]) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for pid in filter(None, pids):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found.update((process, *process.children(recursive=True)))
    return found


def _waited_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _memory_bytes(process: psutil.Process) -> int:
    """Shared pages are divided among those that share them, so that forked processes can be added up."""
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0
