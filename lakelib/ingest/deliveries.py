"""The files that arrived for an interval."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from upath import UPath

from lakelib.errors import DataError
from lakelib.ingest.patterns import UNDATED, delivery_date
from lakelib.ingest.sources import Source
from lakelib.ingest.stores import is_file, is_folder, is_in_cloud, store_errors
from lakelib.intervals import Interval

__all__ = ["Delivery", "count_deliveries", "dated_files", "find_deliveries", "other_files"]

BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Delivery:
    """One file as it arrived. `name` is its path below the landing folder; `sha256` is of its bytes, packed or not.

    `unreadable`: why it can't be read; then its size and `sha256` tell nothing, and bytes of its name that are no UTF-8
    are escaped. `hash_seconds` is how long `sha256` took.
    """

    path: UPath
    name: str
    delivered_on: date | None
    size_bytes: int
    sha256: str
    unreadable: str = ""
    hash_seconds: float = field(default=0.0, compare=False)


def find_deliveries(source: Source, *, landing: UPath, interval: Interval) -> list[Delivery]:
    """The deliveries of the interval, by delivery date, then modification time, then path; undated ones first.

    Files still being written (`.x`, `_x`, `x.tmp`, `x.part`, or in a folder named so) and names whose date is no day
    of the calendar are not deliveries.

    Raises:
        DataError: the landing folder, or the source's folder in it, does not exist, or its store refuses.
        SourceAwayError: landing is in a cloud, and its store is away.
    """
    found = [
        (dated, path)
        for dated, path in _files(source, landing=landing)
        if dated is not None and (dated is UNDATED or dated in interval)
    ]
    with store_errors(landing):
        found.sort(key=lambda delivery: (delivery[0], _modified(delivery[1]), str(delivery[1])))
        return [_delivery(path, landing=landing, dated=dated) for dated, path in found]


def dated_files(source: Source, *, landing: UPath) -> list[tuple[date, UPath]]:
    """The dates and files of all dated deliveries, the oldest first. Raises as `find_deliveries`."""
    found = [(dated, path) for dated, path in _files(source, landing=landing) if dated not in (None, UNDATED)]
    return sorted(found, key=lambda delivery: (delivery[0], str(delivery[1])))


def count_deliveries(source: Source, *, landing: UPath) -> int:
    """How many deliveries there are, of whatever date. Raises as `find_deliveries`."""
    return sum(dated is not None for dated, _ in _files(source, landing=landing))


def other_files(source: Source, *, landing: UPath) -> list[str]:
    """Names below landing of the files in the source's own folder that are no deliveries of it, in order.

    Those that are still being written are left out; a source right in landing has no folder of its own.
    """
    if source.folder == ".":
        return []
    others = (path for dated, path in _files(source, landing=landing) if dated is None)
    return sorted(path.relative_to(landing).as_posix() for path in others)


def _files(source: Source, *, landing: UPath) -> Iterator[tuple[date | None, UPath]]:
    """The whole files in the source's folder, each with its delivery date, None where the name is another."""
    with store_errors(landing):
        landing.fs.invalidate_cache()  # a client remembers for good what a cloud has listed
        folder = _existing_folder(source, landing=landing)
        for path in _below(folder):
            if not _is_being_written(path.relative_to(folder).parts) and (is_file(path) or _leads_nowhere(path)):
                yield delivery_date(path.name, source.pattern), path


def _below(folder: UPath) -> Iterator[UPath]:
    """As `rglob("*")`, which on this machine passes over folders that it may not list, and over links to folders."""
    if is_in_cloud(folder):
        yield from folder.rglob("*")
        return
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder.path, onerror=_refuse_unlistable, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not _is_being_written((name,))]
        between = Path(parent).relative_to(folder.path).parts
        yield from (folder.joinpath(*between, name) for name in names)


def _leads_nowhere(path: UPath) -> bool:
    return not is_in_cloud(path) and Path(path.path).is_symlink() and not path.exists()


def _modified(path: UPath) -> float:
    """When; what is gone by now says so when it is to be read."""
    try:
        return float(path.stat().st_mtime)
    except OSError:
        if is_in_cloud(path):
            raise
        return 0.0


def _refuse_unlistable(error: OSError) -> None:
    if isinstance(error, PermissionError):
        raise DataError(
            f"Deliveries were looked for in {error.filename}; this folder may not be listed: {error.strerror}.",
            hint="Let the user that runs lake list it: chmod u+rx, or chown.",
        ) from error


def _existing_folder(source: Source, *, landing: UPath) -> UPath:
    folder = source.folder_in(landing)
    if is_folder(folder):
        return folder
    try:
        landing.fs.ls(landing.path)
        there = sorted(path.name for path in landing.iterdir() if path.is_dir())
        hint = f"Folders in {landing}: {', '.join(there) or 'none'}."
    except (FileNotFoundError, NotADirectoryError) as error:  # tells a bucket that is not there, too
        hint = f"Is the landing folder set right in conf/? {error}"
    raise DataError(f"Deliveries {source.pattern} were looked for in {folder}; there is no such folder.", hint=hint)


def _is_being_written(parts: Sequence[str]) -> bool:
    return any(part.startswith((".", "_")) or part.endswith((".tmp", ".part")) for part in parts)


def _delivery(path: UPath, *, landing: UPath, dated: date) -> Delivery:
    digest, size, started = hashlib.sha256(), 0, time.monotonic()
    name, delivered_on = path.relative_to(landing).as_posix(), None if dated is UNDATED else dated
    if (text := name.encode(errors="backslashreplace").decode()) != name:
        return Delivery(path, text, delivered_on, 0, "", unreadable="its name is not in UTF-8")
    try:
        for block in _blocks(path):
            digest.update(block)
            size += len(block)
    except OSError as error:
        if is_in_cloud(path):
            raise
        return Delivery(path, name, delivered_on, 0, "", unreadable=str(error.strerror))
    return Delivery(path, name, delivered_on, size, digest.hexdigest(), hash_seconds=time.monotonic() - started)


def _blocks(path: UPath) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
