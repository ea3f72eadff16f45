"""JSON documents and JSON lines, read in bounded memory, each number with the digits it was written with.

The standard library's decoder is used because it hands numbers over as text; orjson, which is faster, rounds them.
Nested values become compact JSON text, by orjson, their numbers as written.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import Any, Final

import orjson

from lakelib.errors import DataError, DeliveryRefusedError
from lakelib.ingest.records import RECORD_LIMIT, Corrupt, Record

__all__ = ["json_line_records", "json_records"]

_WHITESPACE: Final = re.compile(r"[ \t\n\r]*")


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def json_line_records(text: Iterator[str]) -> Iterator[Record | Corrupt]:
    """One record a line that is not blank, counted from 1; lines that are no JSON object are corrupt.

    Raises:
        DeliveryRefusedError: JSON_SYNTAX when a line is longer than a record may be.
    """
    lines = (line for line in _lines(text) if line.strip(" \t\r"))
    return (_record(number, line.removesuffix("\r")) for number, line in enumerate(lines, start=1))


def json_records(text: Iterator[str], *, path: str) -> Iterator[Record | Corrupt]:
    """The elements of the document's array, or its single object; elements that are no objects are corrupt.

    Raises:
        DeliveryRefusedError: JSON_SYNTAX when the document is no JSON, possibly after good records; JSON_PATH when
            `path` leads nowhere.
    """
    cursor = _Cursor(text)
    yield from _records_at(cursor, path.split(".") if path else [])
    if cursor.peek():
        raise cursor.refusal("the document's end")


def _lines(text: Iterator[str]) -> Iterator[str]:
    pieces: list[str] = []
    for block in text:
        first, *others = block.split("\n")
        pieces.append(first)
        if sum(map(len, pieces)) > RECORD_LIMIT:
            raise DeliveryRefusedError(
                f"lines were expected; one is longer than {RECORD_LIMIT:,} characters",
                hint="Is it one JSON document? Then use ingest.json.",
                reason="JSON_SYNTAX",
            )
        if others:
            yield "".join(pieces)
            yield from others[:-1]
            pieces = others[-1:]
    yield "".join(pieces)


def _record(number: int, text: str) -> Record | Corrupt:
    try:
        return Record(number, _values(_DECODER.decode(text), text), len(text))
    except json.JSONDecodeError as error:
        return Corrupt(number, f"JSON_SYNTAX: {error.msg} at character {error.pos + 1} | {text}")
    except DataError as error:
        return Corrupt(number, f"JSON_SYNTAX: {error.message} | {text}")
    except RecursionError:
        return Corrupt(number, f"JSON_SYNTAX: nested too deeply | {text}")


def _values(decoded: Any, text: str) -> dict[str, str | None]:
    if not isinstance(decoded, dict):
        raise DataError("expected an object with a field a column")
    values = {name: _as_text(value) for name, value in decoded.items()}
    if "\\u" in text:
        _check_unicode(chain(values, values.values()))
    return values


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, default=_as_written, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    except TypeError as error:
        raise DataError(f"a nested value can't be kept ({error})") from error


def _as_written(number: _Number) -> orjson.Fragment:
    return orjson.Fragment(str(number))


def _check_unicode(texts: Iterator[str | None]) -> None:
    """A lone half of a surrogate pair, written as an escape, is valid JSON and no text."""
    try:
        "".join(text for text in texts if text).encode()
    except UnicodeEncodeError as error:
        raise DataError("half of a surrogate pair is no character") from error


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise DataError("a key stands twice in an object")
    return values


def _no_json(constant: str) -> None:
    raise DataError(f"{constant} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_no_json
)
_EXTENT: Final = json.JSONDecoder(parse_float=str, parse_int=str)


class _Cursor:
    """A place in a document that is read as it is needed."""

    def __init__(self, text: Iterator[str]) -> None:
        self._blocks = text
        self._text = ""
        self._at = 0
        self._passed = 0

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            self._at = self._end_of_whitespace(self._at)
            if self._at < len(self._text) or not self._read_on():
                return self._text[self._at : self._at + 1]

    def take(self, expected: str) -> str:
        """Steps over one of the `expected` characters."""
        found = self.peek()
        if not found or found not in expected:
            raise self.refusal(" or ".join(expected))
        self._at += 1
        return found

    def value(self) -> str:
        """Steps over a whole value and returns its text.

        A value counts as whole only when something follows it, or the document ends: 12 may be the begin of 123.
        """
        self.peek()
        while True:
            end = self._end_of_value()
            if end is not None and self._end_of_whitespace(end) < len(self._text):
                break
            if not self._read_on():
                break
        if end is None:
            raise self.refusal("a value")
        text = self._text[self._at : end]
        self._at = end
        return text

    def refusal(self, expected: str) -> DeliveryRefusedError:
        found = self._text[self._at : self._at + 40]
        return DeliveryRefusedError(
            f"{expected} was expected at character {self._passed + self._at + 1}; "
            + (f"found {found!r}" if found else "the document ends there"),
            hint="Deliver valid JSON; for one object a line use ingest.jsonl.",
            reason="JSON_SYNTAX",
        )

    def _end_of_value(self) -> int | None:
        try:
            return _EXTENT.raw_decode(self._text, self._at)[1]
        except json.JSONDecodeError:
            return None
        except RecursionError as error:
            raise self.refusal("a value that is not nested so deeply") from error

    def _end_of_whitespace(self, start: int) -> int:
        match = _WHITESPACE.match(self._text, start)
        return match.end() if match else start

    def _read_on(self) -> bool:
        """Doubles what is in view, so that a long value is not tried again for each block."""
        view = self._text[self._at :]
        if len(view) > RECORD_LIMIT:
            raise self.refusal(f"a value shorter than {RECORD_LIMIT:,} characters")
        blocks, size = [view], 0
        for block in self._blocks:
            blocks.append(block)
            size += len(block)
            if size >= len(view):
                break
        self._text, self._passed, self._at = "".join(blocks), self._passed + self._at, 0
        return size > 0


def _records_at(cursor: _Cursor, path: Sequence[str]) -> Iterator[Record | Corrupt]:
    if path:
        yield from _records_below(cursor, path)
    elif cursor.peek() == "[":
        yield from _elements(cursor)
    else:
        yield _record(1, cursor.value())


def _records_below(cursor: _Cursor, path: Sequence[str]) -> Iterator[Record | Corrupt]:
    found = []
    cursor.take("{")
    while cursor.peek() == '"':
        key = json.loads(cursor.value())
        found.append(key)
        cursor.take(":")
        if key == path[0]:
            yield from _records_at(cursor, path[1:])
        else:
            cursor.value()
        if cursor.peek() != ",":
            break
        cursor.take(",")
    cursor.take("}")
    if found.count(path[0]) != 1:
        raise DeliveryRefusedError(
            f"rows were expected under the key {path[0]!r}; it stands {found.count(path[0])} times in its object",
            hint=f"Keys found: {', '.join(found) or 'none'}.",
            reason="JSON_PATH",
        )


def _elements(cursor: _Cursor) -> Iterator[Record | Corrupt]:
    cursor.take("[")
    if cursor.peek() == "]":
        cursor.take("]")
        return
    for number in count(1):
        yield _record(number, cursor.value())
        if cursor.take(",]") == "]":
            return
