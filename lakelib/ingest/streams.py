"""A delivery's bytes, unpacked and proven, and its text, strictly decoded."""

import codecs
import gzip
import hashlib
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.deliveries import Delivery
from lakelib.ingest.stores import store_errors
from lakelib.ingest.zip_members import zip_members

__all__ = ["text_blocks", "unpacked_contents", "unpacked_file"]

BLOCK_BYTES: Final = 4 << 20


class _Hashing(io.BufferedIOBase):
    """A file that takes the SHA-256 of what is read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        block = self._file.read(-1 if size is None else size)
        self.digest.update(block)
        return block


def unpacked_contents(delivery: Delivery, *, ending: str, most_bytes: int | None = None) -> Iterator[Iterator[bytes]]:
    """The files in a delivery, each in blocks of a few megabytes at most, to the last byte of the archive.

    A plain file and a `.gz` are one; a `.zip` has all its members whose names have the ending, in the order of names.
    Each has to be read to its end before the next. An archive gives `most_bytes` in all, as a few kilobytes can hold
    terabytes.

    Raises:
        DeliveryRefusedError: EMPTY_FILE; ARCHIVE_TOO_LARGE, after `most_bytes`; CORRUPT_GZIP, possibly after good
            blocks; CHANGED, after the last block, when the bytes read are not those whose SHA-256 the delivery
            carries; or what `zip_members` refuses.
    """
    allowance = _Allowance(most_bytes)
    if delivery.name.endswith(".zip"):
        with tempfile.TemporaryFile() as copy:  # an archive is not read from its begin to its end
            copy.writelines(_proven_blocks(delivery))
            for blocks in zip_members(copy, ending=ending):
                yield allowance.within(_not_empty(blocks))
    elif delivery.name.endswith(".gz"):
        yield allowance.within(_not_empty(_proven_blocks(delivery)))
    else:
        yield _not_empty(_proven_blocks(delivery))


@dataclass
class _Allowance:
    """So many bytes, of all files in an archive together."""

    most_bytes: int | None
    taken: int = 0

    def within(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.taken += len(block)
            if self.most_bytes is not None and self.taken > self.most_bytes:
                raise DeliveryRefusedError(
                    f"an archive of at most {self.most_bytes:,} bytes was expected; it unpacks to more",
                    hint="Deliver it in parts; or, if it is right, raise the setting most_unpacked.",
                    reason="ARCHIVE_TOO_LARGE",
                )
            yield block


def _proven_blocks(delivery: Delivery) -> Iterator[bytes]:
    with store_errors(delivery.path), _opened(delivery) as file:
        hashing = _Hashing(file)
        yield from _unzipped(hashing) if delivery.name.endswith(".gz") else _plain(hashing)
    if hashing.digest.hexdigest() != delivery.sha256:
        raise _changed(delivery, "has others by now")


def _opened(delivery: Delivery) -> IO[bytes]:
    try:
        return delivery.path.open("rb")
    except FileNotFoundError as error:
        raise _changed(delivery, "is gone") from error


def _changed(delivery: Delivery, found: str) -> DeliveryRefusedError:
    return DeliveryRefusedError(
        f"the bytes with SHA-256 {delivery.sha256} were to be read; the file {found}",
        hint="It was replaced while it was read: run again.",
        reason="CHANGED",
    )


def _not_empty(blocks: Iterator[bytes]) -> Iterator[bytes]:
    is_empty = True
    for block in blocks:
        is_empty = False
        yield block
    if is_empty:
        raise _empty()


@contextmanager
def unpacked_file(blocks: Iterator[bytes], *, beside: Path) -> Iterator[Path]:
    """The content as a file of this machine, in the folder of `beside`, for as long as the `with` block lasts."""
    file = beside.with_name(f".{beside.name}.delivered")
    try:
        with file.open("wb") as unpacked:
            unpacked.writelines(blocks)
        yield file
    finally:
        file.unlink(missing_ok=True)


def text_blocks(blocks: Iterator[bytes], *, encoding: str) -> Iterator[str]:
    """The text without a byte order mark; `encoding` is held strictly.

    Raises:
        DeliveryRefusedError: ENCODING, with the byte's offset in the unpacked content; EMPTY_FILE for a lone mark.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    offset, is_empty = 0, True
    for block, is_last in _with_end(blocks):
        unread = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, is_last)
            if not is_utf8:
                text.encode()  # a few encodings, utf-7 for one, let halves of surrogate pairs through
        except UnicodeError as error:
            raise _wrong_encoding(error, offset=offset - unread, encoding=encoding) from error
        offset += len(block)
        if is_empty:
            text = text.removeprefix("\ufeff")
        if text:
            is_empty = False
            yield text
    if is_empty:
        raise _empty()


def _plain(file: _Hashing) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _unzipped(file: _Hashing) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file, mode="rb") as archive:
        try:
            while block := archive.read(BLOCK_BYTES):
                yield block
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DeliveryRefusedError(
                f"a whole gzip archive was expected; it is cut off or damaged ({error})",
                hint="Deliver the complete file again.",
                reason="CORRUPT_GZIP",
            ) from error


def _with_end(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    for block in blocks:
        yield block, False
    yield b"", True


def _wrong_encoding(error: UnicodeError, *, offset: int, encoding: str) -> DeliveryRefusedError:
    where = f"byte {offset + error.start}" if isinstance(error, UnicodeDecodeError) else "the text's begin"
    return DeliveryRefusedError(
        f"text in {encoding} was expected; {where} does not decode ({getattr(error, 'reason', error)})",
        hint="Deliver it in that encoding, or say which one it is: encoding='latin-1', for example.",
        reason="ENCODING",
    )


def _empty() -> DeliveryRefusedError:
    return DeliveryRefusedError(
        "rows were expected; the file is empty",
        hint="A file of nothing is not a day without rows: deliver it again, with its header at least.",
        reason="EMPTY_FILE",
    )
