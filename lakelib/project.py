"""Where the project is: told without reading its settings, which takes longer than much of what needs to know."""

import os
from pathlib import Path

from lakelib.errors import SettingsError

__all__ = ["find_project"]


def find_project(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` that holds `conf/` and `contracts/`; LAKE_PROJECT names it outright."""
    if named := os.environ.get("LAKE_PROJECT"):
        folder = Path(named).resolve()
        if not (folder / "conf").is_dir():
            raise SettingsError(
                f"LAKE_PROJECT says that the project is at {folder}; no folder there holds conf/.",
                hint="Correct it, or unset it inside of a project.",
            )
        return folder
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "conf").is_dir() and (folder / "contracts").is_dir():
            return folder
    raise SettingsError(
        f"A lakelib project was looked for at {here} and above; no folder there holds conf/ and contracts/.",
        hint="Change to the project's folder, or name it in LAKE_PROJECT.",
    )
