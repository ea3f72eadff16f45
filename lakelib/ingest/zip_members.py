"""The files in a zip archive, read from the archive and never written under their names."""

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Final

from lakelib.errors import DeliveryRefusedError

__all__ = ["zip_members"]

BLOCK_BYTES: Final = 1 << 20
_DAMAGED: Final = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,  # a password is needed
    ValueError,
    struct.error,
    lzma.LZMAError,
    zlib.error,
)


def zip_members(file: IO[bytes], *, ending: str) -> Iterator[Iterator[bytes]]:
    """The content of each file in the archive whose name has the ending, by their names, in blocks of a megabyte.

    Hidden files and folders, and `__MACOSX`, which some systems add, are passed over.

    Raises:
        DeliveryRefusedError: ARCHIVE_PATH when any member's name leads out of a folder; CORRUPT_ZIP, possibly after
            good blocks; ARCHIVE_EMPTY when no file fits.
    """
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGED as error:
        raise _damaged(error) from error
    with archive:
        _check_paths(archive.namelist())
        members = [member for member in archive.infolist() if _is_fitting(member, ending)]
        if not members:
            raise DeliveryRefusedError(
                f"files *{ending} were expected in the archive; found: {', '.join(archive.namelist()[:5]) or 'none'}",
                hint="Deliver the data in it, or write the pattern with the ending that its files have.",
                reason="ARCHIVE_EMPTY",
            )
        for member in sorted(members, key=lambda member: member.filename):
            yield _blocks(archive, member)


def _check_paths(names: list[str]) -> None:
    for name in names:
        parts = re.split(r"[/\\]", name)
        if ".." in parts or not parts[0] or re.match("[A-Za-z]:", name):
            raise DeliveryRefusedError(
                f"files of the archive's own were expected; found one that would lie outside of it: {name!r}",
                hint="Have it packed again, with names relative to its own folder. Who made it?",
                reason="ARCHIVE_PATH",
            )


def _is_fitting(member: zipfile.ZipInfo, ending: str) -> bool:
    parts = PurePosixPath(member.filename).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not member.is_dir() and not hidden and member.filename.endswith(ending)


def _blocks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as content:
            while block := content.read(BLOCK_BYTES):
                yield block
    except _DAMAGED as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> DeliveryRefusedError:
    return DeliveryRefusedError(
        f"a whole zip archive without a password was expected; it can't be unpacked ({error})",
        hint="Deliver the complete file again.",
        reason="CORRUPT_ZIP",
    )
