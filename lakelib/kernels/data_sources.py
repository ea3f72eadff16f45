"""Sail's question after data sources that packages bring is answered once, in the zygote.

Sail asks whenever it starts. To answer, Python reads the metadata of every installed package: a third to a half of the
time that a small notebook's session and first query take.
"""

import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

__all__ = ["remember_data_sources"]

_GROUP: Final = "pysail.datasources"


def remember_data_sources() -> None:
    """From here on this process and its forks answer without reading, as long as nothing is installed or removed."""
    ask = metadata.entry_points
    found, stamps = ask(group=_GROUP), {folder: _changed_at(folder) for folder in sys.path}

    def entry_points(**params: Any) -> Any:
        return found if params == {"group": _GROUP} and _are_all(stamps) else ask(**params)

    metadata.entry_points = entry_points


def _are_all(stamps: dict[str, int | None]) -> bool:
    """Whether the folders that packages come from are as they were, and what was added to them holds none."""
    if any(folder not in sys.path or _changed_at(folder) != then for folder, then in stamps.items()):
        return False
    added = [folder for folder in sys.path if folder not in stamps]
    return not any(metadata.distributions(path=added))


def _changed_at(folder: str) -> int | None:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None
