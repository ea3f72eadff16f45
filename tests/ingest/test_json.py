import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError
from tests.ingest.delivering import deliver, load, parse, texts

JSON = ingest.json("drop")
JSONL = ingest.jsonl("drop")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("13.0", "13.0"),
        ("1e2", "1e2"),
        ("-0.10000000000000000000001", "-0.10000000000000000000001"),
        ("9" * 5000, "9" * 5000),
        ("true", "true"),
        ("null", None),
        ('"null"', "null"),
        ('""', ""),
        ('" \\u00e4\\ud83d\\ude00\\n"', " ä😀\n"),
        ('{"x": [1.0, "1.0", null, true]}', '{"x":[1.0,"1.0",null,true]}'),
        ("[]", "[]"),
    ],
)
@pytest.mark.parametrize(("source", "around"), [(JSON, b"[%b]"), (JSONL, b"%b"), (JSON, b"%b")])
def test_values_keep_their_digits(
    tmp_path: Path, value: str, text: str | None, source: ingest.Source, around: bytes
) -> None:
    assert texts(load(tmp_path, around % f'{{"a": {value}}}'.encode(), source)) == [[text]]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": [-Infinity]}', "-Infinity is not JSON"),
        ('{"a": 1, "a": 2}', "a key stands twice in an object"),
        ('{"a": {"b": 1, "b": 1}}', "a key stands twice in an object"),
        ("[1]", "expected an object with a field a column"),
        ("5", "expected an object with a field a column"),
        ('{"a": "\\ud800"}', "half of a surrogate pair is no character"),
        ('{"\\ud800": 1}', "half of a surrogate pair is no character"),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", "a nested value can't be kept (Recursion limit reached)"),
    ],
)
def test_records_that_are_no_objects_are_kept_in_their_place(tmp_path: Path, line: str, error: str) -> None:
    for source, content in ((JSONL, f'{{"a":1}}\r\n\n{line}\n{{"a":2}}'), (JSON, f'[{{"a":1}},\n{line} ,{{"a":2}}]')):
        rows = load(tmp_path, content.encode(), source)
        assert rows["a"].to_pylist() == ["1", None, "2"]
        assert rows["_source_row"].to_pylist() == [1, 2, 3]
        assert rows["_corrupt_record"].to_pylist() == [None, f"JSON_SYNTAX: {error} | {line}", None]


def test_a_line_that_is_cut_off_is_kept_in_its_place(tmp_path: Path) -> None:
    rows = load(tmp_path, b'{"a":1}\n{"a":\n' + b'{"a":' + b"[" * 100_000 + b"\n", JSONL)
    cut_off, nested = [str(text) for text in rows["_corrupt_record"].to_pylist()[1:]]
    assert cut_off == 'JSON_SYNTAX: Expecting value at character 6 | {"a":'
    assert nested.startswith("JSON_SYNTAX: nested too deeply | ")


@pytest.mark.parametrize(
    ("source", "content", "reason"),
    [
        (JSON, b"", "EMPTY_FILE"),
        (JSON, b"[]", "NO_ROWS"),
        (JSONL, b"\n \n", "NO_ROWS"),
        (JSON, b"[1, 2]", "JSON_SYNTAX"),
        (JSONL, b'[\n{"a":1},\n{"a":2},\n]', "JSON_SYNTAX"),
        (JSON, b'{"a":1}\n{"a":2}\n', "JSON_SYNTAX"),
        (JSON, b'[{"a":1}', "JSON_SYNTAX"),
        (JSON, b'[{"a":1},]', "JSON_SYNTAX"),
        (JSON, b'[{"a":1} {"a":2}]', "JSON_SYNTAX"),
        (JSON, b'[{"a":1}]]', "JSON_SYNTAX"),
        (JSON, b" \n", "JSON_SYNTAX"),
        (JSON, b"[" * 100_000, "JSON_SYNTAX"),
        (JSON, b'[{"a":"\xe4"}]', "ENCODING"),
        (JSONL, b'{"b":1}', "SCHEMA_MISSING_COLUMN"),
        (JSONL, b'{"a":1,"x y":1}\n{"a":1,"x_y":1}', "SCHEMA_DUPLICATE_COLUMN"),
        (JSONL, b'{"a":1,"_run_id":1}', "SCHEMA_RESERVED_COLUMN"),
        (ingest.json("drop", path="data.rows"), b'{"data": {"row": []}}', "JSON_PATH"),
        (ingest.json("drop", path="rows"), b'{"rows": [{"a":1}], "rows": [{"a":1}]}', "JSON_PATH"),
        (ingest.json("drop", path="rows"), b'[{"a":1}]', "JSON_SYNTAX"),
        (ingest.json("drop", path="rows"), b'{"rows": [{"a":1}]', "JSON_SYNTAX"),
    ],
)
def test_broken_documents_are_refused_whole(tmp_path: Path, source: ingest.Source, content: bytes, reason: str) -> None:
    with pytest.raises(DeliveryRefusedError) as refused:
        load(tmp_path, content, source, required=["a"])
    assert refused.value.reason == reason
    assert [path.name for path in tmp_path.iterdir()] == ["drop"]


def test_a_path_leads_to_the_rows(tmp_path: Path) -> None:
    content = b'{"n": 2, "data": {"x": {}, "rows": [{"a": 1}, {"a": 2}], "y": [1]}, "z": null}'
    assert texts(load(tmp_path, content, ingest.json("drop", path="data.rows"))) == [["1"], ["2"]]


def test_columns_that_appear_late_are_null_before(tmp_path: Path) -> None:
    lines = [{"a": n} if n < 20_000 else {"a": n, "icao": "K", "c": 1} for n in range(30_000)]
    into = tmp_path / "rows.parquet"
    drop = deliver(tmp_path, "\n".join(map(json.dumps, lines)).encode())
    parsed = parse(drop, JSONL, into=into, required=["a"], optional=["b"])
    assert (parsed.columns, parsed.drift, parsed.rows) == (("a", "b", "icao", "c"), ("icao", "c"), 30_000)
    rows = load(tmp_path, drop.path.read_bytes(), JSONL)
    assert rows["a"].to_pylist() == [str(n) for n in range(30_000)]
    assert rows["icao"].to_pylist() == [None] * 20_000 + ["K"] * 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drop", "rows.parquet"]


def test_documents_longer_than_a_block_are_read_whole(tmp_path: Path) -> None:
    elements: list[dict[str, Any]] = [{"a": str(n), "b": "ä" * (1_500_000 if n == 500 else 9)} for n in range(100_000)]
    assert load(tmp_path, json.dumps(elements).encode(), JSON).select(["a", "b"]).to_pylist() == elements


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), st.sampled_from([JSON, JSONL]), st.sampled_from([None, 0, 2]))
def test_any_values_come_back(tmp_path_factory, values, source, indent) -> None:  # type: ignore[no-untyped-def]
    objects = [{"a": value} for value in values]
    lines = "\n".join(map(json.dumps, objects)) if source is JSONL else json.dumps(objects, indent=indent)
    rows = load(tmp_path_factory.getbasetemp(), lines.encode(), source)
    for value, text in zip(values, rows["a"].to_pylist(), strict=True):
        assert text == value if isinstance(value, str | None) else json.loads(str(text)) == value
