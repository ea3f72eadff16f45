"""The catalog follows the runs by itself: a process of its own tells it what is new, and no run waits for that.

At most one tells and one waits to. What ends while one tells is told by the one that waits, which looks after it; a
third would find nothing new and is not begun. A process that is killed leaves the spool whole, and the next one goes
on from there.
"""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from lakelib.settings import Settings

if TYPE_CHECKING:
    from lakelib.catalog.emitting import Sent

__all__ = ["follow", "tell_next"]


def follow(settings: Settings) -> None:
    """Begins to tell the catalog what is new, where the settings say so, and returns at once; it never fails."""
    if not settings.catalog.after_runs:
        return
    folder = settings.catalog_state
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        place = {"LAKE_PROJECT": str(settings.project), "LAKE_ENV": settings.env, "LAKE_LAKE": settings.lake}
        with (folder / "emit.log").open("ab") as log:
            # Without an object of Popen, which would want its end to be waited for.
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "lakelib.catalog"],
                {**os.environ, **place},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
                ],
                setsid=True,
            )


def tell_next(settings: Settings) -> "list[Sent]":
    """Waits for its turn, then tells the catalog; nothing where another one waits already."""
    from lakelib.catalog.emitting import emit_alone, emitting

    telling, waiting = emitting(settings), FileLock(settings.catalog_state / "waiting.lock")
    try:
        waiting.acquire(blocking=False)
    except Timeout:
        return []
    try:
        telling.acquire()
    finally:
        waiting.release()
    try:
        return emit_alone(settings)
    finally:
        telling.release()
