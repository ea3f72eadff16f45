"""Keeps secrets out of what is archived."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

from lakelib.errors import SettingsError
from lakelib.secrets import is_reference, read_secret

__all__ = ["Scrubber", "references"]

SHORTEST: Final = 4
_MASK: Final = "***"
_ANSI: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def references(value: Any) -> Iterator[str]:
    """Every text in a nest of mappings and sequences that is a secret reference (`env:NAME`, `file:/path`)."""
    if isinstance(value, str):
        if is_reference(value):
            yield value
    elif isinstance(value, dict):
        yield from (found for item in value.values() for found in references(item))
    elif isinstance(value, list | tuple):
        yield from (found for item in value for found in references(item))


class Scrubber:
    """Replaces the values behind secret references by `***`, wherever and however they are written.

    Found are the value itself and its lines, JSON-escaped, as Python's repr, HTML-escaped, URL-encoded, and in base64
    also inside longer encoded text. Values under four characters are left alone: blanking every "12" or "sa" would
    spoil the evidence and hide little. A reference that leads nowhere is ignored: reading it is the notebook's error.
    """

    def __init__(self, found: Iterable[str]) -> None:
        self._references = set(found)
        self._pattern = self._compiled()

    def learn(self, found: Iterable[str]) -> None:
        """Adds references, such as those that a running notebook says it has read."""
        if unknown := set(found) - self._references:
            self._references |= unknown
            self._pattern = self._compiled()

    def text(self, text: str) -> str:
        if self._pattern is None:
            return text
        scrubbed = self._pattern.sub(_MASK, text)
        # Colours can split a secret in a traceback; then they are given up.
        if self._pattern.search(_ANSI.sub("", scrubbed)):
            return self._pattern.sub(_MASK, _ANSI.sub("", text))
        return scrubbed

    def nest(self, value: Any) -> Any:
        """Plain JSON (or a notebook) with every text scrubbed, keys included: a copy, or where all is clean, itself."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return type(value)({self.text(key): self.nest(item) for key, item in value.items()})
        if isinstance(value, list | tuple):
            return [self.nest(item) for item in value]
        return value

    def _compiled(self) -> re.Pattern[str] | None:
        forms = {form for reference in self._references for value in _values(reference) for form in _forms(value)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        return re.compile("|".join(map(re.escape, longest_first))) if forms else None


def _values(reference: str) -> list[str]:
    try:
        value = read_secret(reference)
    except SettingsError:
        return []
    return [part for part in {value, *value.splitlines()} if len(part) >= SHORTEST]


def _forms(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield html.escape(value)
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield base64.b64encode(value.encode()).decode()
    for shift in range(3):
        yield from _base64_inside(value.encode(), shift)


def _base64_inside(value: bytes, shift: int) -> Iterator[str]:
    """The base64 text that depends on `value` alone, when it begins `shift` bytes after a multiple of three."""
    whole_groups = (shift + len(value)) // 3 * 3 - shift
    encoded = base64.b64encode(b"\0" * shift + value[:whole_groups]).decode()[4 * (shift > 0) :]
    if len(encoded) >= SHORTEST:
        yield encoded
        yield encoded.translate(str.maketrans("+/", "-_"))
