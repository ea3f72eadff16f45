import pytest

from lakelib import events, tables
from lakelib.errors import ContractError, RuleError, TableNotFoundError
from tests.engines import embedded

THING = {"name": "thing_id", "physicalType": "int", "primaryKey": True}
SKU = {"name": "sku", "physicalType": "string"}
COLOUR = {"name": "colour", "physicalType": "string"}
SCHEMA = "thing_id int, sku string"
QUARANTINE = "quarantine.silver__things"
# What differs between engines is tested on both; the rest holds whichever it is.


def merge(lake, *rows, schema=SCHEMA, verb=tables.merge):
    run = lake.start("silver.things")
    verb(lake.df(list(rows), schema), run.contract)


@pytest.fixture
def unique(lake):
    lake.contract("silver.things", THING, SKU | {"unique": True}, mostGonePercent=100)
    return lake


@embedded
def test_rows_with_a_value_in_common_that_is_unique_are_all_rejected(unique):
    merge(unique, (1, "a"), (2, "b"), (3, "b"), (4, None), (5, None))
    assert unique.rows("silver.things", "thing_id") == [(1,), (4,), (5,)]
    assert (
        unique.rows(QUARANTINE, "rules", "messages")
        == [(["not_unique"], ["sku = 'b' has the same sku as another row"])] * 2
    )


def test_a_unique_value_that_a_row_of_the_table_has_is_rejected_and_that_row_stays(unique):
    merge(unique, (1, "a"), (2, "b"))
    merge(unique, (3, "a"), (2, "c"))
    assert unique.rows("silver.things", "thing_id", "sku") == [(1, "a"), (2, "c")]


@embedded
def test_unique_values_may_change_hands(unique):
    merge(unique, (1, "a"), (2, "b"))
    merge(unique, (1, "b"), (2, "a"))
    assert unique.rows("silver.things", "thing_id", "sku") == [(1, "b"), (2, "a")]


@embedded
def test_the_same_promise_twice_and_references_of_one_column_to_two_tables_are_kept_apart(lake):
    rule = {"type": "library", "metric": "duplicateValues", "arguments": {"properties": ["sku"]}, "severity": "warning"}
    references = [{"to": f"silver.{name}.sku"} for name in ("old_skus", "new_skus")]
    for name, sku in (("old_skus", "a"), ("new_skus", "b")):
        lake.contract(f"silver.{name}", SKU | {"primaryKey": True})
        tables.overwrite(lake.df([("c",), (sku,)], "sku string"), lake.start(f"silver.{name}").contract)
    lake.contract("silver.things", THING, SKU | {"unique": True, "relationships": references}, quality=[rule])
    merge(lake, (1, "a"), (2, "b"), (3, "c"), (4, None))
    assert lake.rows("silver.things", "thing_id") == [(3,), (4,)]
    assert len(lake.rows(QUARANTINE)) == 2


@embedded
def test_unique_columns_whose_names_join_to_that_of_another_are_a_promise_of_their_own(lake):
    both = {"type": "library", "metric": "duplicateValues", "arguments": {"properties": ["sku", "colour"]}}
    lake.contract("silver.things", THING, SKU, COLOUR, COLOUR | {"name": "sku_colour", "unique": True}, quality=[both])
    rows = (1, "a", "red", "p"), (2, "a", "red", "q"), (3, "b", "red", "r"), (4, "c", "red", "r")
    merge(lake, *rows, (5, "d", "red", "s"), schema="thing_id int, sku string, colour string, sku_colour string")
    assert lake.rows("silver.things", "thing_id") == [(5,)]


def test_references_of_one_column_to_two_columns_of_a_table_are_both_kept(lake):
    lake.contract("silver.skus", SKU | {"primaryKey": True}, COLOUR)
    tables.overwrite(lake.df([("a", "b"), ("b", "c")], "sku string, colour string"), lake.start("silver.skus").contract)
    references = [{"to": "silver.skus.sku"}, {"to": "silver.skus.colour"}]
    lake.contract("silver.things", THING, SKU | {"relationships": references})
    merge(lake, (1, "a"), (2, "b"), (3, "c"))
    assert lake.rows("silver.things", "thing_id") == [(2,)]


def test_an_overwrite_is_compared_with_itself_alone(unique):
    merge(unique, (1, "a"))
    merge(unique, (2, "a"), verb=tables.overwrite)
    assert unique.rows("silver.things", "thing_id") == [(2,)]


@embedded
def test_an_older_report_of_a_key_clashes_with_nobody(lake):
    lake.contract("silver.things", THING, SKU | {"unique": True}, newestBy="_delivered_on")
    rows = [(1, "a", "2013-01-01"), (1, "b", "2013-01-02"), (2, "a", "2013-01-02")]
    run = lake.start("silver.things")
    tables.merge(
        lake.df(rows, f"{SCHEMA}, day string").selectExpr("thing_id", "sku", "date(day) AS _delivered_on"), run.contract
    )
    assert lake.rows("silver.things", "thing_id", "sku") == [(1, "b"), (2, "a")]


@embedded
def test_an_older_report_with_a_value_that_others_clash_by_is_superseded_and_no_evidence(lake):
    lake.contract("silver.things", THING, SKU | {"unique": True}, newestBy="_delivered_on")
    rows = [(1, "a", "2013-01-01"), (1, "b", "2013-01-02"), (2, "a", "2013-01-02"), (3, "a", "2013-01-02")]
    run = lake.start("silver.things")
    tables.merge(
        lake.df(rows, f"{SCHEMA}, day string").selectExpr("thing_id", "sku", "date(day) AS _delivered_on"), run.contract
    )
    assert lake.rows("silver.things", "thing_id", "sku") == [(1, "b")]
    audited = lake.last(events.Audited)
    assert (audited.accepted, audited.quarantined, audited.superseded) == (1, 2, 1)


@embedded
def test_several_columns_are_unique_together_and_a_warning_lets_them_through(lake):
    rule = {"type": "library", "metric": "duplicateValues", "arguments": {"properties": ["sku", "colour"]}}
    lake.contract("silver.things", THING, SKU, COLOUR, quality=[rule | {"severity": "warning", "mustBe": 0}])
    merge(lake, (1, "a", "red"), (2, "a", "red"), (3, "a", "blue"), schema=f"{SCHEMA}, colour string")
    assert len(lake.rows("silver.things")) == 3
    assert lake.last(events.Audited).rules == [events.RuleOutcome("not_unique", "warning", 2)]


@pytest.fixture
def referring(lake):
    """silver.things refers to silver.skus, which holds a and b."""

    def refer(**level):
        custom = [{"property": name, "value": value} for name, value in level.items()]
        reference = {"to": "silver.skus.sku", "customProperties": custom}
        lake.contract("silver.things", THING, SKU | {"relationships": [reference]})
        return lake

    lake.contract("silver.skus", SKU | {"primaryKey": True})
    tables.overwrite(lake.df([("a",), ("b",)], "sku string"), lake.start("silver.skus").contract)
    return refer


def test_a_row_that_refers_to_nothing_is_rejected_and_the_reference_is_read_at_a_version(referring):
    lake = referring()
    merge(lake, (1, "a"), (2, "c"), (3, None))
    assert lake.rows("silver.things", "thing_id") == [(1,), (3,)]
    assert lake.rows(QUARANTINE, "rules", "messages") == [
        (["unknown_reference"], ["sku = 'c' has a sku that is no sku of silver.skus"])
    ]
    assert lake.last(events.TableRead) == events.TableRead("silver.skus", 1)


@embedded
def test_a_member_that_comes_late_can_be_a_warning(referring):
    lake = referring(severity="warning")
    merge(lake, (1, "a"), (2, "c"))
    assert len(lake.rows("silver.things")) == 2
    assert lake.last(events.Audited).rules == [events.RuleOutcome("sku: unknown_reference", "warning", 1)]


@embedded
@pytest.mark.parametrize(("level", "rows"), [("error", 0), ("warning", 1)])
def test_a_table_that_is_referred_to_and_was_never_written(lake, level, rows):
    custom = [{"property": "severity", "value": level}]
    lake.contract(
        "silver.things", THING, SKU | {"relationships": [{"to": "silver.skus.sku", "customProperties": custom}]}
    )
    if rows:
        merge(lake, (1, "a"))
        assert len(lake.rows("silver.things")) == rows
    else:
        with pytest.raises(TableNotFoundError, match=r"silver\.things refer to silver\.skus"):
            merge(lake, (1, "a"))


@embedded
def test_several_columns_refer_together(lake):
    lake.contract("silver.skus", SKU | {"primaryKey": True}, COLOUR | {"primaryKey": True, "primaryKeyPosition": 2})
    tables.overwrite(
        lake.df([("a", "red"), ("b", "blue")], "sku string, colour string"), lake.start("silver.skus").contract
    )
    reference = {"from": ["sku", "colour"], "to": ["silver.skus.sku", "silver.skus.colour"]}
    lake.contract("silver.things", THING, SKU, COLOUR, relationships=[reference])
    merge(lake, (1, "a", "red"), (2, "a", "blue"), schema=f"{SCHEMA}, colour string")
    assert lake.rows("silver.things", "thing_id") == [(1,)]


QUERIES = [
    ("SELECT count(*) FROM {object} WHERE sku = 'b'", {"mustBeLessThan": 2}, True),
    ("SELECT count(*) FROM {object} WHERE sku = 'b'", {"mustBe": 0}, False),
    ("SELECT avg(thing_id) FROM ${table}", {"mustBeBetween": [1.4, 1.6]}, True),
    ("SELECT max(thing_id) FROM {object} WHERE sku = 'z'", {"mustBe": 0}, True),
]


@embedded
@pytest.mark.parametrize(("sql", "promised", "is_kept"), QUERIES)
def test_a_query_over_the_accepted_rows_stops_a_batch(lake, sql, promised, is_kept):
    lake.contract("silver.things", THING, SKU, quality=[{"type": "sql", "name": "told", "query": sql} | promised])
    if is_kept:
        merge(lake, (1, "a"), (2, "b"))
        assert len(lake.rows("silver.things")) == 2
    else:
        with pytest.raises(RuleError, match=r"told: .* answers 1, promised mustBe 0"):
            merge(lake, (1, "a"), (2, "b"))


@embedded
@pytest.mark.parametrize(
    "sql", ["SELECT nothing FROM {object}", "SELECT sku FROM {object}", "SELECT max(DATE '2013-01-01') FROM {object}"]
)
def test_a_query_without_a_number_is_told(lake, sql):
    lake.contract("silver.things", THING, SKU, quality=[{"type": "sql", "query": sql, "mustBe": 0}])
    with pytest.raises(ContractError, match="Rule query of"):
        merge(lake, (1, "a"))


@embedded
@pytest.mark.parametrize(
    ("promised", "nulls", "is_kept"),
    [
        ({"mustBeLessThan": 2}, 1, True),
        ({"mustBeLessThan": 2}, 2, False),
        ({"mustBeLessOrEqualTo": 50, "unit": "percent"}, 2, True),
        ({"mustBeLessThan": 50, "unit": "percent"}, 2, False),
    ],
)
def test_so_many_rows_may_break_a_rule_and_no_more(lake, promised, nulls, is_kept):
    rule = {"type": "library", "metric": "nullValues", "name": "no_sku"} | promised
    lake.contract("silver.things", THING, SKU | {"quality": [rule]})
    rows = [(number, None if number < nulls else "a") for number in range(4)]
    if is_kept:
        merge(lake, *rows)
        assert len(lake.rows("silver.things")) == 4
    else:
        with pytest.raises(RuleError, match=r"no_sku: 2 of 4 rows of sku, promised mustBeLessThan"):
            merge(lake, *rows)
