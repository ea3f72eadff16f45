"""Bytes as deliveries: whatever comes, what is nearly right, and what is right but for a few bytes."""

import gzip
import io
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
from hypothesis import strategies as st
from pyarrow import parquet

__all__ = ["any_bytes"]

_WORDS = {
    "csv": ["a", "b", ",", '"', '""', "\n", "\r\n", "\r", "\0", "é", " ", "1", "\ufeff", ";", "\t"],
    "json": ["[", "]", "{", "}", ":", ",", '"a"', '"a', "1", "-", "e5", "NaN", "null", "true", "\\ud800", " ", "\n"],
    "xml": [
        "<r>",
        "</r>",
        "<r/>",
        "<a b='1'>",
        "</a>",
        "&amp;",
        "&x;",
        "<![CDATA[",
        "]]>",
        "<!DOCTYPE r>",
        "text",
        "<?p?>",
    ],
}
_WORDS["dialect"] = [*_WORDS["csv"], "\\", "\\N", "#", "\ufdd1"]
_WORDS["jsonl"] = [*_WORDS["json"], '{"a": 1}\n', '{"b": "x"}\n']


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.csv", "a,b\n1,2\n")
    return packed.getvalue()


def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.sqlite"
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript("CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL)")
        return file.read_bytes()


def _parquet() -> bytes:
    into = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, 2], "b": ["x", None]}), into)
    return into.getvalue()


_SOUND = {
    "csv": b'a,b\n1,"x\ny"\n2,\n',
    "dialect": b'#"\na,b\n\\N,"x\\"\n#y"\n#2\n3,4\\\n\n',
    "json": b'[{"a": 1, "b": "x"}, {"a": 2}]',
    "jsonl": b'{"a": 1}\n{"a": 2, "b": "x"}\n',
    "xml": b"<t><r a='1'><b>x</b></r><r a='2'/></t>",
    "gz": gzip.compress(b"a,b\n1,2\n"),
    "zip": _zip(),
    "sqlite": _sqlite(),
    "parquet": _parquet(),
}


def any_bytes(kind: str) -> st.SearchStrategy[bytes]:
    sound = _SOUND[kind]
    return st.one_of(st.binary(max_size=64), _nearly(kind), _damaged(sound), st.just(sound))


def _nearly(kind: str) -> st.SearchStrategy[bytes]:
    words = st.sampled_from(_WORDS.get(kind, ["a"]))
    return st.lists(words, max_size=30).map(lambda chosen: "".join(chosen).encode())


def _damaged(sound: bytes) -> st.SearchStrategy[bytes]:
    """Cut off, with some bytes in the middle taken out or put in."""
    places = st.integers(0, len(sound))
    return st.builds(
        lambda at, until, put, end: (sound[:at] + put + sound[until:])[:end],
        places,
        places,
        st.binary(max_size=4),
        places,
    )
