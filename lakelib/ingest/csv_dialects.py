"""Dialects of CSV that RFC 4180 does not have, as text that it has: comments taken out, escapes put into other words.

An escaped character becomes one of those that Unicode keeps free of text, for as long as the records are parsed. So the
rules for quotes, records and fields are the same for every dialect.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.records import CORRUPT, RECORD_LIMIT

__all__ = ["Escapes", "without_comments"]

_NULL: Final = "\ufdd0"
_STAND_INS: Final = "\ufdd1\ufdd2\ufdd3\ufdd4\ufdd5\ufdd6"
_ANY_STAND_IN: Final = "[\ufdd0-\ufdd6]"


class Escapes:
    """The escape before a quote, a delimiter, a line end or itself makes an ordinary character of it.

    The escape and N alone in a field are null. Before any other character the escape is an ordinary one itself.
    """

    def __init__(self, escape: str, *, delimiter: str, quote: str) -> None:
        special = dict(zip(_STAND_INS, (quote, delimiter, escape, "\r\n", "\n", "\r"), strict=True))
        self._escape = escape
        self._values = special | {_NULL: f"{escape}N"}
        self._delivered = {stand_in: escape + text for stand_in, text in special.items()} | {_NULL: f"{escape}N"}
        self._stand_ins = {text: stand_in for stand_in, text in special.items()} | {"N": _NULL}
        words = "|".join(re.escape(text) for text in self._stand_ins if text not in ("\r", ""))
        self._escaped = re.compile(rf"{re.escape(escape)}({words}|\r(?!\Z))")

    def with_stand_ins(self, text: Iterator[str]) -> Iterator[str]:
        """Raises DeliveryRefusedError, CSV_SYNTAX, where the text has one of the stand-ins itself."""
        rest = ""
        for block in text:
            if found := re.search(_ANY_STAND_IN, block):
                raise DeliveryRefusedError(
                    f"text was expected; it has U+{ord(found[0]):04X}, which Unicode keeps free of text",
                    hint="Take it out at the source, or deliver a dialect without an escape.",
                    reason="CSV_SYNTAX",
                )
            told = self._escaped.sub(lambda escaped: self._stand_ins[escaped[1]], rest + block)
            # An escape at the end has its other half in the next block.
            whole = told.removesuffix("\r").removesuffix(self._escape)
            rest = told[len(whole) :] if self._escape in told[len(whole) :] else ""
            if ready := told[: len(told) - len(rest)]:
                yield ready
        if rest:
            yield rest

    def name(self, text: str) -> str:
        """A column's name with the characters that were escaped."""
        return _replaced(text, self._values)

    def values(self, rows: pa.Table) -> pa.Table:
        """The rows with the characters that were escaped; records that do not parse, as they were delivered."""
        for place, name in enumerate(rows.column_names):
            texts = rows[name]
            if pa.types.is_string(texts.type) and pc.any(pc.match_substring_regex(texts, _ANY_STAND_IN)).as_py():
                known = self._delivered if name == CORRUPT else self._values
                told = [None if text in (None, _NULL) else _replaced(text, known) for text in texts.to_pylist()]
                rows = rows.set_column(place, name, pa.array(told, pa.string()))
        return rows


def without_comments(text: Iterator[str], *, comment: str, delimiter: str, quote: str, escape: str) -> Iterator[str]:
    """Without the lines that begin with `comment`; one inside of a quoted field is no comment."""
    records, commented = _grammar(comment, delimiter=delimiter, quote=quote, escape=escape)
    rest, wanted = "", 0
    for block in chain(text, [""]):
        rest += block
        if block and len(rest) < wanted:
            continue
        end, told = 0, []
        while found := records.match(rest, end) or commented.match(rest, end):
            if not found[0].startswith(comment):
                told.append(found[0])
            end = found.end()
        if told:
            yield "".join(told)  # each block that is yielded costs its reader more than its records do
        rest = rest[end:]
        wanted = 2 * len(rest)
        if len(rest) > RECORD_LIMIT:
            break
    if rest and (len(rest) > RECORD_LIMIT or not rest.startswith(comment)):
        yield rest


def _grammar(comment: str, *, delimiter: str, quote: str, escape: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Records one after the other, and a comment, each with its line end."""
    d, q, e, c = map(re.escape, (delimiter, quote, escape, comment))
    escaped = rf"|{e}(?:\r\n|\r(?=[^\n])|[^\r])" if escape else ""
    plain = rf"(?:[^{d}{e}\r\n]{escaped})*+"
    quoted = rf"{q}(?:[^{q}{e}]|{q}{q}{escaped})*+{q}|(?!{q})" if quote else ""
    end = r"(?:\r\n|\n|\r(?=[^\n]))"
    record = rf"(?:{quoted}){plain}(?:{d}(?:{quoted}){plain})*+{end}"
    return re.compile(rf"(?:(?!{c}){record})++"), re.compile(rf"{c}[^\r\n]*+{end}")


def _replaced(text: str, known: Mapping[str, str]) -> str:
    return re.sub(_ANY_STAND_IN, lambda stand_in: known[stand_in[0]], text)
