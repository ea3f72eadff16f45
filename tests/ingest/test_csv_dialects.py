"""Escapes and comments: what MySQL, Spark and Python's own writer make of values, and readers have to find again."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError, UsageError
from lakelib.ingest.csv_dialects import Escapes, without_comments
from tests.ingest.delivering import load, texts

MYSQL = ingest.csv("drop", delimiter="\t", quote="", escape="\\", header=["a", "b"])
SPARK = ingest.csv("drop", escape="\\")
NOTED = ingest.csv("drop", comment="#")
VALUES = st.text(st.sampled_from('aN,"\\#\n\r ä'), max_size=5)
TABLES = st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("source", "content", "rows"),
    [
        (MYSQL, b"1\t\\N\n\\\t\\\\\\\n2\t\\N3\n", [["1", None], ["\t\\\n2", "\\N3"]]),
        (MYSQL, b"a\\\r\nb\tc:\\d\r\n", [["a\r\nb", "c:\\d"]]),
        (SPARK, b'a,b\n"say \\"hi\\", ""you""",c:\\d\n', [['say "hi", "you"', "c:\\d"]]),
        (SPARK, b'a\\,b,c\n"x\\\\",\\"y\n', [["x\\", '"y']]),
        (NOTED, b'# of "2013\na,b\n#\n1,#2\n\n"\n# no,""comment\n",3\n#4,5', [["1", "#2"], ['\n# no,"comment\n', "3"]]),
        (ingest.csv("drop", comment="#", quote=""), b'#"\ra\r#1\r"2\r', [['"2']]),
    ],
)
def test_a_dialect_s_values_are_copied_exactly(
    tmp_path: Path, source: ingest.Source, content: bytes, rows: list[list[str | None]]
) -> None:
    assert texts(load(tmp_path, content, source)) == rows


def test_an_escaped_delimiter_is_of_the_column_s_name(tmp_path: Path) -> None:
    assert load(tmp_path, b"a\\,b,c\n1,2\n", SPARK).column_names[:2] == ["a_b", "c"]


def test_records_that_do_not_fit_are_kept_as_they_were_delivered(tmp_path: Path) -> None:
    rows = load(tmp_path, b'a,b\n\\N\\,1\\\\\n"2\\""3,\\\n4\n5,6\n', SPARK)
    assert rows["_corrupt_record"].to_pylist() == [
        "FIELD_COUNT: expected 2 fields, found 1 | \\N\\,1\\\\",
        'CSV_SYNTAX: text after a closing quote | "2\\""3,\\\n4',
        None,
    ]


@pytest.mark.parametrize("content", [b'a,b\n"1,2\\"\n', "a,b\n\ufdd1,2\n".encode()])
def test_an_open_quote_and_a_stand_in_of_ours_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DeliveryRefusedError) as refused:
        load(tmp_path, content, SPARK)
    assert refused.value.reason == "CSV_SYNTAX"


@pytest.mark.parametrize(
    "options", [{"escape": '"'}, {"comment": ","}, {"escape": "#", "comment": "#"}, {"escape": "ä"}]
)
def test_characters_that_mean_two_things_are_wrong_use(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ingest.csv("drop", **options)


@settings(deadline=None, max_examples=30)
@given(TABLES, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONE]), st.lists(VALUES.map("#".__add__), max_size=3))
def test_any_table_written_with_escapes_between_comments_comes_back(tmp_path_factory, table, quoting, notes) -> None:  # type: ignore[no-untyped-def]
    written = io.StringIO(newline="")
    writer = csv.writer(written, escapechar="\\", doublequote=False, quoting=quoting)
    writer.writerow(["x", "y"])
    for number, row in enumerate(table):
        written.writelines(note.translate({10: None, 13: None}) + "\r\n" for note in notes[number : number + 1])
        writer.writerow([f"-{row[0]}", row[1]])
    told = [[f"-{row[0]}", row[1] or (None if quoting == csv.QUOTE_NONE else "")] for row in table]
    source = ingest.csv("drop", escape="\\", comment="#")
    assert texts(load(tmp_path_factory.getbasetemp(), written.getvalue().encode(), source)) == told


@settings(deadline=None, max_examples=50)
@given(st.text(st.sampled_from('aN,"\\#\n\r'), max_size=30), st.integers(1, 4), st.sampled_from(["", "\\"]))
def test_blocks_of_any_length_say_the_same(text: str, length: int, escape: str) -> None:
    blocks = [text[at : at + length] for at in range(0, len(text), length)]
    escapes = Escapes("\\", delimiter=",", quote='"')
    [whole, parted] = ["".join(escapes.with_stand_ins(iter(told))) for told in ([text] if text else [], blocks)]
    assert whole == parted
    noted = [
        without_comments(iter(told), comment="#", delimiter=",", quote='"', escape=escape) for told in ([text], blocks)
    ]
    assert "".join(noted[0]) == "".join(noted[1])


def test_comments_between_records_leave_the_text_in_large_pieces():
    """Each piece that is read for itself costs more than a thousand records do."""
    text = "".join(f"{number},a\n# of {number}\n" for number in range(1000))
    told = [*without_comments(iter([text]), comment="#", delimiter=",", quote='"', escape="")]
    assert told == ["".join(f"{number},a\n" for number in range(1000))]
