import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError, UsageError
from tests.ingest.delivering import deliver, load, outcome, parse, texts

CSV = ingest.csv("drop")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b\n1,2\n", [["1", "2"]]),
        (b"a,b\n1,2", [["1", "2"]]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [["1", "2"]]),
        (b"a,b\n 1 ,\t2\n", [[" 1 ", "\t2"]]),
        (b'a,b\n,""\n', [[None, ""]]),
        (b'a,b\n"1,089","say ""hi"""\n', [["1,089", 'say "hi"']]),
        (b'a,b\n"one\r\ntwo",2\n', [["one\r\ntwo", "2"]]),
        (b'a,b\n5" disk,x"y"\n', [['5" disk', 'x"y"']]),
        (b"a,b\n1,2\n\n\n3,4\n\n", [["1", "2"], ["3", "4"]]),
        (b"a,b\r1,2\r3,4\r", [["1", "2"], ["3", "4"]]),
        (b"a\n1\n\n2\n", [["1"], [None], ["2"]]),
        (b'a,b\nNA,"null"\n', [["NA", "null"]]),
        (b"a,b\n\xef\xbb\xbf1,2\n", [["\ufeff1", "2"]]),
        (b"a,b\n\x00,2\n", [["\x00", "2"]]),
        (b'"a","b"\n1,2\n', [["1", "2"]]),
    ],
)
def test_values_are_copied_exactly(tmp_path: Path, content: bytes, rows: list[list[str | None]]) -> None:
    assert texts(load(tmp_path, content, CSV, required=["a"])) == rows


def test_records_that_do_not_fit_the_header_are_kept_in_their_place(tmp_path: Path) -> None:
    rows = load(tmp_path, b'a,b\n1,2\n3\n\n"x\ny",4\n5,6,7\n"8"9,0\n1,2\n', CSV)
    assert rows["_source_row"].to_pylist() == [1, 2, 3, 4, 5, 6]
    assert rows["_corrupt_record"].to_pylist() == [
        None,
        "FIELD_COUNT: expected 2 fields, found 1 | 3",
        None,
        "FIELD_COUNT: expected 2 fields, found 3 | 5,6,7",
        'CSV_SYNTAX: text after a closing quote | "8"9,0',
        None,
    ]
    assert texts(rows)[1] == [None, None]


@pytest.mark.parametrize("names", ["a", "a,b", "a,b,c"])
def test_a_file_of_broken_records_is_kept_whole(tmp_path: Path, names: str) -> None:
    line = r'"say \"hi\"",2,3'
    rows = load(tmp_path, "\n".join([names, *[line] * 30_000]).encode(), CSV)
    assert rows["_corrupt_record"].to_pylist() == [f"CSV_SYNTAX: text after a closing quote | {line}"] * 30_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EMPTY_FILE"),
        (b"\xef\xbb\xbf", "EMPTY_FILE"),
        (b"a,b\n", "NO_ROWS"),
        (b"a,b\n\n\n", "NO_ROWS"),
        (b"b,c\n1,2\n", "SCHEMA_MISSING_COLUMN"),
        (b"\n\n", "SCHEMA_MISSING_COLUMN"),
        (b"a,b,a\n1,2,3\n", "SCHEMA_DUPLICATE_COLUMN"),
        (b"a,B,b\n1,2,3\n", "SCHEMA_DUPLICATE_COLUMN"),
        (b"a,b c,b=c\n1,2,3\n", "SCHEMA_DUPLICATE_COLUMN"),
        (b"A,a\n1,2\n", "SCHEMA_DUPLICATE_COLUMN"),
        (b"a,_Source_File\n1,2\n", "SCHEMA_RESERVED_COLUMN"),
        (",".join(["a", *(f"c{n}" for n in range(10_000))]).encode(), "SCHEMA_TOO_WIDE"),
        (b"a;b\n1;2\n", "DELIMITER"),
        (b'"a";"b"\n1;2\n', "DELIMITER"),
        (b"a\tb\n1\t2\n", "DELIMITER"),
        (b'a,b\n1,"2\n3,4\n', "CSV_SYNTAX"),
        (b'a,"b\n', "CSV_SYNTAX"),
        (b'a,"b"c\n1,2\n', "CSV_SYNTAX"),
        (b"a,b\n1,\xff\n", "ENCODING"),
        (b"a,b\n1,2\xc3", "ENCODING"),
        ("a,b\n1,2\n".encode("utf-16"), "ENCODING"),
        ("a,b\n1,2\n".encode("utf-16-le"), "ENCODING"),
    ],
)
def test_broken_files_are_refused_whole(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(DeliveryRefusedError) as refused:
        load(tmp_path, content, CSV, required=["a"])
    assert (refused.value.reason, refused.value.verdict) == (reason, "held" if reason == "NO_ROWS" else "refused")
    assert [path.name for path in tmp_path.iterdir()] == ["drop"]


@pytest.mark.parametrize(
    "damage",
    [lambda packed: packed[:-5], lambda packed: packed + b"more", lambda _: b"a\n1\n", lambda packed: packed[:12]],
    ids=["cut off", "with something after it", "not packed", "only begun"],
)
def test_archives_are_read_to_their_end(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DeliveryRefusedError, match="CORRUPT_GZIP"):
        load(tmp_path, damage(gzip.compress(b"a\n1\n")), ingest.csv("drop.gz"))


def test_archives_of_several_members_are_read_whole(tmp_path: Path) -> None:
    packed = gzip.compress(b"a\n1\n") + gzip.compress(b"2\n")
    assert texts(load(tmp_path, packed, ingest.csv("drop.gz"))) == [["1"], ["2"]]


def test_the_byte_that_does_not_decode_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefusedError, match=r"byte 1500005 does not decode"):
        load(tmp_path, b"a\n" + b"x" * 1_500_000 + b"\xc3\xa4 \xe4\n", CSV)


def test_a_missing_column_is_named_with_what_it_may_have_become(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefusedError, match="tailnum may have become tail_number"):
        load(tmp_path, b"flight,tail_number\n1,N1\n", CSV, required=["flight", "tailnum"])


def test_names_that_delta_can_not_hold_get_underscores(tmp_path: Path) -> None:
    rows = load(tmp_path, b"Unit Price (EUR),,a\n1,2,3\n", CSV, required=["Unit_Price__EUR_"])
    assert rows.column_names[:3] == ["Unit_Price__EUR_", "unnamed_2", "a"]


@pytest.mark.parametrize(
    ("source", "content"),
    [
        (ingest.csv("drop", delimiter=";"), b"a;b\n1,5;x\n"),
        (ingest.csv("drop", delimiter="\t", quote=""), b"a\tb\n1,5\tx\n"),
        (ingest.csv("drop", delimiter="]", quote="^"), b"^a^]b\n^1,5^]x\n"),
        (ingest.csv("drop", encoding="utf-16"), 'a,b\n"1,5",x\n'.encode("utf-16")),
    ],
)
def test_delimiter_quote_and_encoding_are_the_sources(tmp_path: Path, source: ingest.Source, content: bytes) -> None:
    assert texts(load(tmp_path, content, source, required=["a", "b"])) == [["1,5", "x"]]


def test_without_a_quote_character_quotes_are_text(tmp_path: Path) -> None:
    assert texts(load(tmp_path, b'a,b\0\n"x,y"\n', ingest.csv("drop", quote=""))) == [['"x', 'y"']]


@pytest.mark.parametrize("options", [{"delimiter": "||"}, {"delimiter": '"'}, {"quote": "\n"}, {"encoding": "utf-9"}])
def test_impossible_options_are_wrong_use(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ingest.csv("drop", **options)


@pytest.mark.parametrize("quote", ["", '"'])
def test_long_files_keep_numbers_and_values_over_all_blocks(tmp_path: Path, quote: str) -> None:
    long = "ä" * 1_700_000
    lines = [f"{quote}{n}{quote},{quote}{long if n == 70_000 else 'x'}{quote}" for n in range(1, 150_001)]
    lines[99_999] = "lost"
    rows = load(tmp_path, "\n".join(["a,b", *lines]).encode(), CSV)
    assert rows["_source_row"].to_pylist() == list(range(1, 150_001))
    assert rows["a"].to_pylist() == [str(n) if n != 100_000 else None for n in range(1, 150_001)]
    assert rows["b"][69_999].as_py() == long


TEXT = st.text(st.sampled_from('ab,;"\n\r \0ä\ufeff😀'), max_size=6)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=6)
)


@settings(deadline=None)
@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", ";", "\t"]))
def test_any_table_written_by_python_comes_back(tmp_path_factory, table, end, delimiter) -> None:  # type: ignore[no-untyped-def]
    names = [f"c{n}" for n in range(len(table[0]))]
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([names, *table])
    source = ingest.csv("drop", delimiter=delimiter)
    folder = tmp_path_factory.getbasetemp()
    assert texts(load(folder, written.getvalue().encode(), source, required=names)) == table


@settings(deadline=None)
@given(TABLES)
def test_only_where_needed_quoted_empty_text_is_null(tmp_path_factory, table) -> None:  # type: ignore[no-untyped-def]
    names = [f"c{n}" for n in range(len(table[0]))]
    written = io.StringIO(newline="")
    csv.writer(written).writerows([names, *table])
    expected = [[value or (None if len(names) > 1 else "") for value in row] for row in table]
    assert texts(load(tmp_path_factory.getbasetemp(), written.getvalue().encode(), CSV)) == expected


@settings(deadline=None)
@given(st.text(st.sampled_from('ab,"\n\r'), max_size=40))
def test_every_character_of_a_file_that_loads_is_in_a_value_or_a_corrupt_record(tmp_path_factory, body) -> None:  # type: ignore[no-untyped-def]
    """Python's own reader, which forgives like pyarrow's, finds the same records; broken ones are kept as text."""
    rows = outcome(tmp_path_factory.getbasetemp(), b"x,y\n" + body.encode(), CSV)
    if isinstance(rows, DeliveryRefusedError):
        assert rows.reason in {"NO_ROWS", "CSV_SYNTAX"}
        return
    records = [record for record in csv.reader(io.StringIO(body, newline="")) if record]
    for record, values, corrupt in zip(records, texts(rows), rows["_corrupt_record"].to_pylist(), strict=True):
        assert corrupt or [value or "" for value in values] == record
        assert not corrupt or (corrupt.partition(" | ")[2] in body and (len(record) != 2 or '"' in corrupt))


def test_a_file_without_a_header_gets_its_names(tmp_path: Path) -> None:
    rows = load(tmp_path, b"1,2\n3\n", ingest.csv("drop", header=["a", "b"]), required=["b"])
    assert texts(rows) == [["2", "1"], [None, None]]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_lines_above_the_header_are_skipped(tmp_path: Path, line_end: str) -> None:
    content = line_end.join(['Report, of "2013', "", "a,b", "1,2", ""]).encode()
    rows = load(tmp_path, content, ingest.csv("drop", skip_lines=2))
    assert texts(rows) == [["1", "2"]]
    with pytest.raises(DeliveryRefusedError, match="below 9 lines"):
        load(tmp_path, content, ingest.csv("drop", skip_lines=9))


def test_a_column_may_be_delivered_under_a_former_name(tmp_path: Path) -> None:
    drop = deliver(tmp_path, b"Tail,seats\nN1,9\n")
    parsed = parse(drop, CSV, into=tmp_path / "rows", required=["tailnum"], former_names={"tail": "tailnum"})
    assert (parsed.columns, parsed.drift) == (("tailnum", "seats"), ("seats",))


@pytest.mark.parametrize("former", ["Tail Number", "tail_number"])
def test_a_former_name_is_written_as_it_was_delivered_or_stored(tmp_path: Path, former: str) -> None:
    drop = deliver(tmp_path, b"Tail Number,seats\nN1,9\n")
    parsed = parse(drop, CSV, into=tmp_path / "rows", required=["tailnum"], former_names={former: "tailnum"})
    assert parsed.columns == ("tailnum", "seats")


def test_a_column_may_be_delivered_in_another_case(tmp_path: Path) -> None:
    drop = deliver(tmp_path, b"TailNum,Seats\nN1,9\n")
    parsed = parse(drop, CSV, into=tmp_path / "rows", required=["tailnum"])
    assert (parsed.columns, parsed.drift) == (("tailnum", "Seats"), ("Seats",))


def test_a_column_under_both_its_names_is_refused(tmp_path: Path) -> None:
    drop = deliver(tmp_path, b"tail,tailnum\nN1,N2\n")
    with pytest.raises(DeliveryRefusedError) as refusal:
        parse(drop, CSV, into=tmp_path / "rows", former_names={"tail": "tailnum"})
    assert refusal.value.reason == "SCHEMA_DUPLICATE_COLUMN"
