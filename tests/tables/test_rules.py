import json
from decimal import Decimal
from math import inf, nan

import pytest

from lakelib import events, tables
from lakelib.errors import RuleError
from lakelib.transform import cast_to_contract
from tests.engines import embedded

SIZE = {"name": "size", "physicalType": "int", "logicalTypeOptions": {"minimum": 1, "maximum": 9}}
CODE = {"name": "code", "physicalType": "string", "logicalTypeOptions": {"pattern": "^[A-Z]+$", "maxLength": 3}}
KIND = {
    "name": "kind",
    "physicalType": "string",
    "required": True,
    "quality": [{"type": "library", "metric": "invalidValues", "arguments": {"validValues": ["new", "old"]}}],
}
THING = {"name": "thing_id", "physicalType": "int", "primaryKey": True, "primaryKeyPosition": 1}
SCHEMA = "thing_id int, size int, code string, kind string"
GOOD = (1, 5, "AB", "new")
QUARANTINE = "quarantine.silver__parts"


@pytest.fixture
def parts(lake):
    lake.contract("silver.parts", THING, SIZE, CODE, KIND)
    return lake


def merge(lake, *rows, schema=SCHEMA):
    run = lake.start("silver.parts")
    tables.merge(lake.df(list(rows), schema), run.contract)


BROKEN = [
    ((2, 0, "AB", "new"), "below_minimum"),
    ((3, 10, "AB", "new"), "above_maximum"),
    ((4, 5, "ab", "new"), "code_format"),
    ((5, 5, "AB\n", "new"), "code_format"),
    ((6, 5, "ABCD", "new"), "value_too_long"),
    ((7, 5, "AB", "odd"), "not_allowed"),
    ((8, 5, "AB", None), "required"),
    ((None, 5, "AB", "new"), "required"),
]


def test_a_row_that_breaks_a_rule_goes_to_quarantine_and_the_others_on(parts):
    merge(parts, GOOD, *(row for row, _ in BROKEN))
    assert parts.rows("silver.parts", "thing_id") == [(1,)]
    names = ("thing_id", "size", "code", "kind")
    expected = [(dict(zip(names, row, strict=True)), [rule]) for row, rule in BROKEN]
    kept = [(dict.fromkeys(names) | json.loads(row), rules) for row, rules in parts.rows(QUARANTINE, "row", "rules")]
    assert sorted(kept, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("pattern", "kept", "broken"),
    [
        (r"^\d+$", ["12"], ["\u0663\u0664", "1\n", "a"]),
        (r"^[\w.-]+\\[^\s\d]$", ["a_1.-\\\u00e9", "a\\\u00a0"], ["\u00e9\\x", "a\\ ", "a\\1"]),
        (r"^\S\D\W$", ["\u00a0\u0663\u00e9"], [" a.", "a1.", "aaa"]),
    ],
)
def test_a_pattern_means_the_same_letters_on_every_engine(lake, pattern, kept, broken):
    lake.contract("silver.parts", THING, CODE | {"logicalTypeOptions": {"pattern": pattern}})
    merge(lake, *enumerate([*kept, *broken]), schema="thing_id int, code string")
    assert lake.rows("silver.parts", "thing_id") == [(number,) for number in range(len(kept))]


def test_a_rejected_row_is_kept_to_the_last_digit(lake):
    kinds = {"amount": "decimal(38,18)", "price": "decimal(12,2)", "at": "timestamp"}
    size = SIZE | {"logicalTypeOptions": {"minimum": 1}}
    lake.contract("silver.parts", THING, size, *({"name": name, "physicalType": kind} for name, kind in kinds.items()))
    texts = [(1, 0, "12345678901234567890.123456789012345678", "1.25", "2013-01-01 05:00:00.123456")]
    rows = lake.df(texts, "thing_id int, size int, amount string, price string, at string")
    typed = rows.withColumns({name: rows[name].cast(kind) for name, kind in kinds.items()})
    tables.merge(typed, lake.start("silver.parts").contract)
    assert [json.loads(row) for (row,) in lake.rows(QUARANTINE, "row")] == [
        {
            "thing_id": 1,
            "size": 0,
            "amount": "12345678901234567890.123456789012345678",
            "price": 1.25,
            "at": "2013-01-01T05:00:00.123456Z",
        }
    ]


@embedded
def test_null_breaks_no_rule_but_required(parts):
    merge(parts, (1, None, None, "new"))
    assert parts.rows("silver.parts", "thing_id") == [(1,)]


def test_a_row_rejected_again_is_kept_once(parts):
    for _ in range(2):
        merge(parts, GOOD, (2, 0, "AB", "new"))
    assert len(parts.rows(QUARANTINE)) == 1


def test_every_broken_rule_of_a_row_is_said(parts):
    merge(parts, (2, 0, "ab", "odd"))
    outcomes = parts.last(events.Audited).rules
    assert [(outcome.rule, outcome.rows) for outcome in outcomes] == [
        ("size: below_minimum", 1),
        ("code: code_format", 1),
        ("kind: not_allowed", 1),
    ]


@embedded
def test_a_warning_lets_the_row_through_and_counts_it(lake):
    warned = {
        "type": "custom",
        "engine": "lakelib",
        "name": "small",
        "implementation": "size > 1",
        "severity": "warning",
    }
    lake.contract("silver.parts", THING, SIZE, quality=[warned])
    merge(lake, (1, 1), (2, 2), schema="thing_id int, size int")
    assert lake.rows("silver.parts", "thing_id") == [(1,), (2,)]
    assert [(outcome.rule, outcome.level) for outcome in lake.last(events.Audited).rules] == [("small", "warning")]


@embedded
def test_a_missing_value_is_warned_of_and_one_that_can_not_be_read_is_not_missing(lake):
    """Text that was read as the contract's types tells no errors of rows that read well."""
    remark = {"type": "library", "metric": "nullValues", "mustBe": 0, "severity": "warning"}
    lake.contract("silver.parts", THING, {"name": "size", "physicalType": "int", "quality": [remark]})
    run = lake.start("silver.parts")
    delivered = lake.df([("1", "5"), ("2", None), ("3", "many")], "thing_id string, size string")
    tables.merge(delivered.transform(cast_to_contract, run.contract), run.contract)
    assert lake.rows("silver.parts", "thing_id", "size") == [(1, 5), (2, None)]
    assert [(rule.rule, rule.level, rule.rows) for rule in lake.last(events.Audited).rules] == [
        ("size: number_format", "error", 1),
        ("size: required", "warning", 1),
    ]


def test_of_a_record_that_did_not_parse_nothing_is_missing_as_well(lake):
    lake.contract("silver.parts", THING, SIZE | {"required": True})
    run = lake.start("silver.parts")
    corrupt = "JSON_SYNTAX: Expecting value | {"
    schema = "thing_id string, size string, _corrupt_record string"
    delivered = lake.df([("1", "5", None), (None, None, corrupt), ("2", None, None)], schema)
    tables.merge(delivered.transform(cast_to_contract, run.contract), run.contract)
    assert sorted(lake.rows(QUARANTINE, "rules")) == [(["json_syntax"],), (["required"],)]


@embedded
def test_a_condition_over_several_columns_is_checked(lake):
    rule = {"type": "custom", "engine": "lakelib", "name": "shape", "implementation": "size % 100 < 60"}
    lake.contract("silver.parts", THING, {"name": "size", "physicalType": "int"}, quality=[rule])
    merge(lake, (1, 159), (2, 160), schema="thing_id int, size int")
    assert lake.rows("silver.parts", "thing_id") == [(1,)]


@pytest.mark.parametrize(
    ("kind", "options", "kept", "broken"),
    [
        ("double", {"multipleOf": 0.01}, [1.15, 0.29, -4.35, 1234567.89, 0.0], [1.155, 0.001, nan, inf]),
        ("double", {"multipleOf": 5}, [5.0, 1e20], [5.5, nan]),
        ("float", {"multipleOf": 0.01}, [1.15, 19.99], [1.155]),
        ("decimal(12,6)", {"multipleOf": 0.000012}, [Decimal("1.2"), Decimal("0.000024")], [Decimal("0.000001")]),
        ("double", {"exclusiveMinimum": 0, "exclusiveMaximum": 9.5}, [0.5, 9.4], [-0.0, 9.5, 1e20, nan, inf]),
        ("float", {"minimum": 0.1, "maximum": 0.3}, [0.1, 0.3], [0.09, 0.31]),
        ("float", {"exclusiveMinimum": 0.1}, [0.11], [0.1]),
    ],
)
def test_a_number_is_compared_as_its_type_holds_it(lake, kind, options, kept, broken):
    lake.contract("silver.parts", THING, {"name": "size", "physicalType": kind, "logicalTypeOptions": options})
    merge(lake, *enumerate([*kept, *broken]), schema=f"thing_id int, size {kind}")
    assert lake.rows("silver.parts", "thing_id") == [(number,) for number in range(len(kept))]


@embedded
def test_a_float_is_allowed_by_the_decimal_that_it_stands_for(lake):
    lake.contract("silver.parts", THING, {"name": "size", "physicalType": "float", "enum": [{"value": 0.1}]})
    merge(lake, (1, 0.1), (2, 0.2), schema="thing_id int, size float")
    assert lake.rows("silver.parts", "thing_id") == [(1,)]


@pytest.mark.parametrize(
    ("promise", "says"),
    [
        ({"mostRejectedPercent": 40}, "most_rejected: 1 of 2 rows rejected .size: below_minimum 1."),
        (
            {"quality": [{"type": "library", "metric": "rowCount", "mustBeBetween": [3, 9]}]},
            "row_count: 2 rows, promised 3 to 9",
        ),
    ],
)
def test_a_broken_rule_of_the_batch_publishes_nothing_and_keeps_the_evidence(lake, promise, says):
    lake.contract("silver.parts", THING, SIZE, **promise)
    with pytest.raises(RuleError, match=says):
        merge(lake, (1, 5), (2, 0), schema="thing_id int, size int")
    assert not (lake.project / ".lake" / "warehouse" / "silver" / "parts").exists()
    assert list((lake.project / ".lake" / "warehouse" / "_staging").rglob("*.parquet"))
    assert len(lake.rows(QUARANTINE)) == 1


@embedded
def test_rows_of_one_key_are_remarked_on_once_each(lake):
    remark = {"type": "library", "metric": "nullValues", "mustBe": 0, "severity": "warning"}
    lake.contract("silver.parts", THING, {"name": "size", "physicalType": "int", "quality": [remark]})
    merge(lake, (1, None), (1, None), (2, 5), schema="thing_id int, size int")
    assert [outcome.rows for outcome in lake.last(events.Audited).rules] == [2]


@embedded
def test_rows_that_are_there_twice_are_rows_of_the_batch(lake):
    four = {"type": "library", "metric": "rowCount", "mustBe": 4}
    lake.contract("silver.parts", THING, SIZE, quality=[four], mostRejectedPercent=25)
    merge(lake, (1, 5), (1, 5), (2, 5), (3, 0), schema="thing_id int, size int")
    assert lake.rows("silver.parts", "thing_id") == [(1,), (2,)]


@pytest.mark.parametrize(
    "promise",
    [
        {"enum": [{"value": "new"}, {"value": None}]},
        {"quality": [{"type": "library", "metric": "invalidValues", "arguments": {"validValues": ["new", None]}}]},
    ],
)
@embedded
def test_a_null_among_the_values_that_are_allowed_allows_no_other_value(lake, promise):
    lake.contract("silver.parts", THING, {"name": "kind", "physicalType": "string"} | promise)
    merge(lake, (1, "new"), (2, "odd"), (3, None), schema="thing_id int, kind string")
    assert lake.rows("silver.parts", "thing_id") == [(1,), (3,)]
    assert lake.rows(QUARANTINE, "rules", "messages") == [(["not_allowed"], ["kind = 'odd' is none of new"])]
