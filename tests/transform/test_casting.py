import random
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal

import pytest

from lakelib.contracts import Column, Contract
from lakelib.names import TableName
from lakelib.quality import with_soundness
from lakelib.transform import cast_to_contract


def contract(type_: str) -> Contract:
    return Contract(TableName("silver", "things"), "1.0.0", "Things", "One row a thing.", (Column("value", type_),))


TEXTS = [
    ("7", "int", 7),
    (" -7 ", "int", -7),
    ("+7", "bigint", 7),
    ("1.50", "decimal(10,2)", Decimal("1.50")),
    ("1e3", "double", 1000.0),
    (".5", "double", 0.5),
    ("TRUE", "boolean", True),
    ("2013-02-28", "date", date(2013, 2, 28)),
    ("2013-01-01T10:00:00Z", "timestamp", datetime(2013, 1, 1, 10)),
    ("2013-01-01 10:00:00.250", "timestamp", datetime(2013, 1, 1, 10, 0, 0, 250000)),
    ("2013-01-01T10:00:00+02:00", "timestamp", datetime(2013, 1, 1, 8)),
    (" kept as it is ", "string", " kept as it is "),
    (None, "int", None),
]
UNREADABLE = [
    ("1,089", "int", "number_format"),
    ("1.0", "int", "number_format"),
    ("", "int", "number_format"),
    ("2147483648", "int", "number_format"),
    ("0x1F", "bigint", "number_format"),
    ("12345678901.00", "decimal(10,2)", "number_format"),
    ("1.5e2", "decimal(10,2)", "number_format"),
    (" 1e2 ", "decimal(38,18)", "number_format"),
    ("NaN", "double", "number_format"),
    ("1_000", "double", "number_format"),
    ("2013-02-30", "date", "date_range"),
    ("2013-1-2", "date", "date_range"),
    ("0000-01-01", "date", "date_range"),
    ("0000-06-01T00:00:00", "timestamp", "date_range"),
    ("0001-01-01T00:00:00+14:00", "timestamp", "date_range"),
    ("9999-12-31T23:59:59-12:00", "timestamp", "date_range"),
    ("01/02/2013", "date", "date_range"),
    ("2013-13-01T00:00:00Z", "timestamp", "date_range"),
    ("yes", "boolean", "boolean_format"),
    ("7\n8", "int", "number_format"),
]


def cast(engine, texts):
    """One row of a column for each (text, type): the values, and the broken rules by column."""
    columns = [Column(f"c{number}", type_) for number, (_, type_) in enumerate(texts)]
    described = Contract(TableName("silver", "things"), "1.0.0", "Things", "One row a thing.", tuple(columns))
    schema = ", ".join(f"{column.name} string" for column in columns)
    rows = engine.session.createDataFrame([tuple(text for text, _ in texts)], schema)
    row = rows.transform(cast_to_contract, described).first()
    broken = {error["column"]: error["rule"] for error in row["_errors"] or ()}
    return [row[column.name] for column in columns], [broken.get(column.name) for column in columns]


def test_text_becomes_the_contracts_type(engine):
    values, broken = cast(engine, [(text, type_) for text, type_, _ in TEXTS])
    assert values == [value for _, _, value in TEXTS]
    assert set(broken) == {None}


def test_unreadable_text_is_null_and_says_why(engine):
    values, broken = cast(engine, [(text, type_) for text, type_, _ in UNREADABLE])
    assert set(values) == {None}
    assert broken == [rule for _, _, rule in UNREADABLE]


def decimal_texts(scale):
    """Few digits and many, of more fraction than the type holds, halves, with spaces and signs."""
    chance = random.Random(scale)
    for digits in range(1, 24):
        for point in range(digits + 1):
            figures = "".join(chance.choices("0123456789", k=digits))
            text = chance.choice(["", "+", "-"]) + figures[:point] + "." * (point < digits) + figures[point:]
            yield text
            yield chance.choice([f" {text}", f"{text} ", f"{text}5"])
    yield from ("0", "-0.0", "9" * 15, "9" * 16, "1.005", "2.675", "0.145", "1" * 13 + ".01")


@pytest.mark.parametrize(("precision", "scale"), [(12, 2), (4, 2), (4, 4), (9, 0), (18, 6), (38, 6), (30, 15)])
def test_decimals_are_exact(engine, precision, scale):
    texts = [*decimal_texts(scale)]
    column = contract(f"decimal({precision},{scale})")
    rows = engine.session.createDataFrame(list(enumerate(texts)), "_n bigint, value string")
    found = {row["_n"]: row["value"] for row in rows.transform(cast_to_contract, column).collect()}
    for number, text in enumerate(texts):
        exact = Decimal(text.strip(" ")).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, Context(prec=60))
        fits = exact.copy_abs() < Decimal(10) ** (precision - scale)
        assert found[number] == (exact if fits else None), text


def test_a_broken_row_keeps_its_delivered_text(engine):
    rows = engine.session.createDataFrame([("1,089", "x" * 5000, None)], "value string, note string, gone string")
    row = rows.transform(cast_to_contract, contract("int")).first()
    assert row["_raw"] == '{"value":"1,089","note":"' + "x" * 1000 + '"}'
    assert row["_errors"][0]["message"] == "value = '1,089' is no int"


def test_a_record_that_did_not_parse_is_an_error_of_its_kind(engine):
    rows = engine.session.createDataFrame(
        [(None, "FIELD_COUNT: expected 1 field, found 2 | a,b")], "value string, _corrupt_record string"
    )
    row = rows.transform(cast_to_contract, contract("int")).first()
    assert [error["rule"] for error in row["_errors"]] == ["field_count"]


def test_typed_columns_pass_and_unknown_ones_are_left_out(engine):
    at = datetime(2013, 1, 1, tzinfo=UTC)
    rows = engine.session.createDataFrame([(7, "other", at)], "value int, other string, _ingested_at timestamp")
    assert rows.transform(cast_to_contract, contract("bigint")).columns == ["value", "_ingested_at", "_errors", "_raw"]


def test_a_table_may_have_more_than_a_hundred_columns(engine):
    """A plan that nests a level for each of them is refused by whoever reads it."""
    columns = [Column(f"c{number}", "int", is_required=True) for number in range(120)]
    wide = Contract(TableName("silver", "things"), "1.0.0", "Things", "One row a thing.", tuple(columns))
    schema = ", ".join(f"{column.name} string" for column in columns)
    rows = engine.session.createDataFrame([("7",) * 120, ("x",) * 120], schema)
    cast = rows.transform(cast_to_contract, wide).transform(with_soundness, wide)
    assert sorted((row["c119"] or 0, len(row["_errors"] or ()), row["_is_sound"]) for row in cast.collect()) == [
        (0, 120, False),
        (7, 0, True),
    ]
