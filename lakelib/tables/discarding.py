"""Staged files that nobody needs any more."""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["discard", "discard_abandoned"]

_KEPT_SECONDS: Final = 7 * 24 * 3600


def discard(folder: str | Path) -> None:
    """Deletes one staged folder, and the run's folder with its last one."""
    shutil.rmtree(folder, ignore_errors=True)
    run = Path(folder).parent
    with suppress(OSError):  # it holds another one still
        run.rmdir()


def discard_abandoned(staging: str | Path) -> None:
    """Deletes what failed and killed runs left in `staging` more than a week ago."""
    for run in Path(staging).glob("*"):
        with suppress(FileNotFoundError):  # another run has ended meanwhile
            if time.time() - run.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(run, ignore_errors=True)
