"""Secret references, `env:NAME` and `file:/path`: what settings and code hold instead of a secret."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lakelib import events
from lakelib.errors import SettingsError

__all__ = ["is_reference", "read_secret", "resolved"]

_PREFIXES: Final = ("env:", "file:")


def is_reference(text: str) -> bool:
    return text.startswith(_PREFIXES)


def resolved(value: Any) -> Any:
    """The value with each secret reference in it, at any depth of mappings, read as `read_secret` does."""
    if isinstance(value, Mapping):
        return {name: resolved(each) for name, each in value.items()}
    return read_secret(value) if isinstance(value, str) and is_reference(value) else value


def read_secret(reference: str) -> str:
    """The value behind `env:NAME` or `file:/path`, read at this moment and kept nowhere.

    Raises:
        SettingsError: not a reference, or nothing is there.
    """
    kind, _, name = reference.partition(":")
    try:
        if kind == "env":
            value = os.environ[name]
        elif kind == "file":
            value = _absolute(name).read_text(encoding="utf-8").strip()
        else:
            raise SettingsError(
                f"A secret was asked for by {kind!r}; a reference begins with env: or file:.",
                hint="Write env:NAME or file:/path, never the secret itself.",
            )
    except (KeyError, OSError) as error:
        told = f"Secret {reference} was asked for and is not there."
        raise SettingsError(told, hint="Set the variable or write the file.") from error
    except UnicodeDecodeError:  # its text may repeat a part of the secret
        raise SettingsError(f"Secret {reference} was asked for; the file is not text.", hint="Is it UTF-8?") from None
    events.publish(events.SecretRead(reference))
    return value


def _absolute(name: str) -> Path:
    if not Path(name).is_absolute():
        raise SettingsError(
            f"A secret was asked for in {name!r}, which means another file in every folder.",
            hint="Write the whole path: file:/path.",
        )
    return Path(name)
