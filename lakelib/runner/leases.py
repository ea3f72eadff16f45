"""One writer a table and interval: a lease that ends with its holder, however that ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from lakelib.errors import RunCancelledError
from lakelib.settings import Settings

__all__ = ["leased"]

_LOOK_SECONDS: Final = 0.1


@contextmanager
def leased(table: str, interval: str, *, settings: Settings, is_stopped: Callable[[], bool]) -> Iterator[None]:
    """Holds the lease of the table's interval, after waiting for whoever holds it.

    It is a file lock, which the operating system frees when its process ends. It holds between the processes of this
    machine, and between machines where the lake's folder is on a file system that shares locks (NFS 4 does). Without,
    two machines may do the same work at once: commits that collide are made again, and the tables are right all the
    same.

    Raises:
        RunCancelledError: the wait was stopped.
    """
    path = Path(str(settings.location(settings.lake))) / "leases" / f"{table}@{interval}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(poll_interval=_LOOK_SECONDS, cancel_check=is_stopped)
    except Timeout as stopped:
        raise RunCancelledError(f"{table} for {interval} waited for another runner and was stopped.") from stopped
    try:
        yield
    finally:
        # Gone before it is free: who waits for it finds that out, and makes it anew.
        path.unlink(missing_ok=True)
        lock.release()
