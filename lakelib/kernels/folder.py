"""Where zygotes are met: a private folder with a socket and a log for each."""

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from lakelib.errors import SettingsError
from lakelib.kernels.key import import_environment, zygote_key

__all__ = ["Place", "runtime_folder"]

# Linux's limit for the path of a socket.
_LONGEST_PATH: Final = 107
_LONGEST_NAME: Final = "0123456789abcdef.sock"


@dataclass(frozen=True)
class Place:
    """Of the one zygote with this key, which is started with this environment.

    Its socket is there from before it imports until nobody can connect to it any more, or after a crash.
    """

    folder: Path
    key: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def for_kernel(cls, env: Mapping[str, str], *, cwd: Path) -> Self:
        """Raises SettingsError where there can be no private folder with short paths."""
        environment = import_environment(env, cwd=cwd)
        return cls(runtime_folder(), zygote_key(environment), environment)

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.key}.sock"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.key}.log"

    @property
    def lock(self) -> Path:
        """Held by whoever makes or removes a socket in this folder."""
        return self.folder / "lock"

    def last_words(self) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-5:])

    def forget(self) -> None:
        """Only under the lock."""
        self.socket.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)


def runtime_folder() -> Path:
    """Below Jupyter's runtime folder, or below that of temporary files: where the path would be too long for a socket,
    or the folder can't be made, as in a home that is not this user's.

    Raises:
        SettingsError: neither can be had, or it is another user's, or others may enter it; Jupyter finds no home.
    """
    from jupyter_core.paths import jupyter_runtime_dir

    try:
        usual = Path(jupyter_runtime_dir()) / "lake"
    except RuntimeError as error:
        raise SettingsError(f"Jupyter's folder was looked for in the user's home: {error}", hint="Set HOME.") from error
    short = Path(tempfile.gettempdir()) / f"lake-zygotes-{os.getuid()}"
    obstacles = []
    for folder in (usual, short):
        if obstacle := _obstacle(folder):
            obstacles.append(f"{folder} {obstacle}")
        else:
            _check_private(folder)
            return folder
    raise SettingsError(
        f"A private folder for sockets was looked for; {' and '.join(obstacles)}.",
        hint="Set TMPDIR or JUPYTER_RUNTIME_DIR to a folder of yours with a short path.",
    )


def _obstacle(folder: Path) -> str:
    if len(os.fsencode(folder / _LONGEST_NAME)) > _LONGEST_PATH:
        return "is too long for their paths"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return f"can't be one: {error.strerror}"
    return ""


def _check_private(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise SettingsError(
            f"A private folder for sockets was looked for; {folder} is not a folder that only this user may enter.",
            hint="Delete it, or take the rights of others away: chmod 700.",
        )
