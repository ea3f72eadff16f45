"""The store that landing is in, where that is a cloud: what its client raises, told as errors of ours."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from upath import UPath

from lakelib.errors import DataError, LakeError, SourceAwayError

__all__ = ["is_in_cloud", "store_errors"]

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


def is_in_cloud(path: UPath) -> bool:
    return path.protocol not in ("", "file")


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
        kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
        if kinds & _AWAY or _is_passing(error):
            raise SourceAwayError(
                f"{path} was to be used; its store is away: {error}", hint="Is the store well? Run again later."
            ) from error
        if kinds & _REFUSED or isinstance(error, OSError):
            raise DataError(
                f"{path} was to be used; its store refuses: {error}",
                hint="Are landing and storage.options right in conf/, and may their user read, write and list there?",
            ) from error
        raise


def _is_passing(error: Exception) -> bool:
    """By its number, or the HTTP status that gcsfs (`code`) and adlfs (`status_code`) hand on."""
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno in _PASSING
    code = getattr(error, "status_code", getattr(error, "code", None))
    return _PASSING_CODES.fullmatch(str(code)) is not None
