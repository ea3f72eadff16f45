"""The store that landing is in, where that is a cloud: what its client raises, told as errors of ours."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from upath import UPath

from lakelib.errors import DataError, LakeError, SourceAwayError

__all__ = ["is_file", "is_folder", "is_in_cloud", "store_errors"]

# Of the clients of s3fs, gcsfs and adlfs, by package and class: none of them is installed with lakelib.
_AWAY: Final = {
    "aiohttp.ClientError",
    "azure.IncompleteReadError",
    "azure.ServiceRequestError",
    "azure.ServiceResponseError",
    "botocore.ConnectionError",
    "botocore.HTTPClientError",
    "google.TimeoutError",
    "google.TransportError",
    "requests.ChunkedEncodingError",
    "requests.ConnectionError",
    "requests.Timeout",
}
_REFUSED: Final = {"azure.AzureError", "botocore.BotoCoreError", "gcsfs.HttpError", "google.GoogleAuthError"}
# What s3fs makes of 503 and SlowDown, of 500, and of what it does not know; all else does not change by waiting.
_PASSING: Final = (errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO), errno.EIO)
_PASSING_CODES: Final = re.compile(r"408|429|5\d\d")
# gcsfs of what Google calls invalid, and Python of an option that s3fs hands on to a client that has none such.
_REFUSING_WORDS: Final = re.compile(r"Bad Request: |.* got an unexpected keyword argument ")


def is_in_cloud(path: UPath) -> bool:
    return path.protocol not in ("", "file")


def is_file(path: UPath) -> bool:
    """Drivers say so of no file of a store that is away; here that is raised."""
    return path.is_file() or (is_in_cloud(path) and _kind(path) == "file")


def is_folder(path: UPath) -> bool:
    """As `is_file`."""
    return path.is_dir() or (is_in_cloud(path) and _kind(path) == "directory")


def _kind(path: UPath) -> str:
    try:
        return str(path.fs.info(path.path)["type"])
    except FileNotFoundError:
        return ""


@contextmanager
def store_errors(path: UPath) -> Iterator[None]:
    """On this machine errors are Python's own, and stay what they are.

    Raises:
        SourceAwayError: the store does not answer, or fails.
        DataError: it refuses, or what was asked for is not there.
    """
    try:
        yield
    except LakeError:
        raise
    except Exception as error:
        if not is_in_cloud(path):
            raise
        told = _unwrapped(error)
        kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(told).__mro__}
        if kinds & _AWAY or _is_passing(told):
            raise SourceAwayError(
                f"{path} was to be used; its store is away: {error}", hint="Is the store well? Run again later."
            ) from error
        if kinds & _REFUSED or isinstance(told, OSError) or _is_in_refusing_words(told):
            raise DataError(
                f"{path} was to be used; its store refuses: {error}",
                hint="Are landing and storage.options right in conf/, and may their user read, write and list there?",
            ) from error
        raise


def _unwrapped(error: Exception) -> BaseException:
    """What the store's client raised, where adlfs says in a general error what it was doing."""
    is_general = type(error) in (RuntimeError, ValueError)
    return error.__cause__ if is_general and error.__cause__ is not None else error


def _is_in_refusing_words(error: BaseException) -> bool:
    return isinstance(error, TypeError | ValueError) and _REFUSING_WORDS.match(str(error)) is not None


def _is_passing(error: BaseException) -> bool:
    """By its number, or the HTTP status that gcsfs (`code`) and adlfs (`status_code`) hand on."""
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno in _PASSING
    code = getattr(error, "status_code", getattr(error, "code", None))
    return _PASSING_CODES.fullmatch(str(code)) is not None
