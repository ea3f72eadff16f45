"""Root may read every file; a test of files that may not be read runs without that right."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["as_anybody"]

_VERSION = 0x20080522
_MAY_READ_ALL = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@contextmanager
def as_anybody() -> Iterator[None]:
    """For this thread, as long as the `with` block lasts."""
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    held, less = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None)
    assert libc.capget(header, held) == 0
    less[:] = [held[0] & ~_MAY_READ_ALL, *held[1:]]
    assert libc.capset(header, less) == 0
    try:
        yield
    finally:
        assert libc.capset(header, held) == 0
