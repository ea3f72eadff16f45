"""The driver of the store that a URI names, opened with the options in conf/."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any, Final

from fsspec import get_filesystem_class  # type: ignore[import-untyped]
from upath import UPath

from lakelib.errors import SettingsError, SourceAwayError, closest

__all__ = ["opened"]

_MISSPELT: Final = 0.85  # a letter or two of a name are wrong


def opened(uri: str, options: Mapping[str, Any]) -> UPath:
    """The place in the store. Most drivers ask the store nothing yet.

    Raises:
        SettingsError: no driver for the scheme is installed, or it can't be opened with these options.
        SourceAwayError: the driver asks somebody about its credentials, who does not answer.
    """
    scheme = uri.partition("://")[0]
    try:
        driver = get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        raise SettingsError(
            f"Landing is set to {uri}; no driver for {scheme}:// is installed.",
            hint="Stores are s3://, abfss:// and gs://, each with an extra of its own: pip install 'lakelib[s3]'.",
        ) from error
    _check_names(options, known=_names(driver))
    try:
        path: UPath = UPath(uri, **options)
        assert path.fs
    except OSError as error:  # its text may repeat the token that was asked about
        raise SourceAwayError(
            f"{uri} was to be opened; whoever knows its credentials is away ({type(error).__name__}).",
            hint="Is there a network? Run again later.",
        ) from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SettingsError(
            f"Landing is set to {uri}; its driver can't be opened with storage.options: {error!r}",
            hint="They are the options of s3fs, adlfs or gcsfs, credentials in the form that it asks for.",
        ) from error
    return path


def _names(driver: type) -> list[str]:
    made = (vars(kind)["__init__"] for kind in driver.__mro__ if "__init__" in vars(kind))
    every = (each for method in made for each in signature(method).parameters.values())
    taken_whole = (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
    return sorted({each.name for each in every if each.kind not in taken_whole} - {"self"})


def _check_names(options: Iterable[str], *, known: list[str]) -> None:
    """A misspelt option must not pass as none, as drivers let it. Others may be of what the driver itself opens."""
    for name in sorted(set(options).difference(known)):
        if get_close_matches(name, known, n=1, cutoff=_MISSPELT):
            raise SettingsError(
                f"storage.options sets {name}; the driver has no such option.", hint=closest(name, known)
            )
