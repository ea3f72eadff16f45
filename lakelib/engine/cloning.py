"""A copy of a table as it was at a version, without copying its rows."""

import shutil
from pathlib import Path

from lakelib.engine.adoption import link

__all__ = ["clone_version"]


def clone_version(table: str, into: str, *, version: int) -> None:
    """The table with its versions up to `version` as a table of its own; the files of rows are linked, where they can.

    What is written to one of them is not seen in the other: Delta never changes a file.
    """
    source, target = Path(table), Path(into)
    for file in source.rglob("*"):
        is_log = "_delta_log" in file.relative_to(source).parts
        if file.is_dir() or (is_log and not _is_up_to(file.name, version)):
            continue
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        _copy(file, place) if is_log else link(file, place)


def _is_up_to(log_file: str, version: int) -> bool:
    """Of a commit or checkpoint; `_last_checkpoint` may name a later one, and readers do without it."""
    number = log_file.partition(".")[0]
    return number.isdecimal() and int(number) <= version


def _copy(file: Path, place: Path) -> None:
    shutil.copyfile(file, place)
