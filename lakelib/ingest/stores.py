"""The store that landing is in, where that is a cloud: what its client raises, told as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from upath import UPath

from lakelib.errors import DataError, LakeError, SourceAwayError

__all__ = ["is_in_cloud", "store_errors"]

# Of the clients of s3fs, gcsfs and adlfs, by package and class: none of them is installed with lakelib.
_AWAY: Final = {
    "aiohttp.ClientError",
    "azure.ServiceRequestError",
    "azure.ServiceResponseError",
    "botocore.ConnectionError",
    "botocore.HTTPClientError",
    "google.TransportError",
}
_REFUSED: Final = {"azure.AzureError", "botocore.BotoCoreError", "gcsfs.HttpError", "google.GoogleAuthError"}
# What waiting does not change: a missing bucket, credentials that are not the right ones.
_LASTING: Final = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


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
        kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
        is_lasting = isinstance(error, _LASTING)
        if is_in_cloud(path) and (kinds & _AWAY or (isinstance(error, OSError) and not is_lasting)):
            raise SourceAwayError(
                f"{path} was to be used; its store is away: {error}", hint="Is the store well? Run again later."
            ) from error
        if is_in_cloud(path) and (kinds & _REFUSED or is_lasting):
            raise DataError(
                f"{path} was to be used; its store refuses: {error}",
                hint="Are landing and storage.options right in conf/, and may their user read, write and list there?",
            ) from error
        raise
