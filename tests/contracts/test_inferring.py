import re
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lakelib.contracts import Contract, read_contract
from lakelib.contracts.column_types import spark_name, text_type
from lakelib.contracts.inferring import infer_contract
from lakelib.contracts.keys import candidate_keys
from lakelib.names import TableName

SALES = TableName("silver", "sales")


def inferred(folder, columns, name=SALES, *, accepted=False):
    """The contract that the text says; `accepted` with every comment that is a field taken as one."""
    text = infer_contract(name, pa.table(columns))
    if accepted:
        text = re.sub(r"# (logicalTypeOptions|enum|domain|team|description)", r"\1", text)
    (folder / "inferred.yml").write_text(text)
    return read_contract(folder / "inferred.yml")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-22", None, " 3 "], "int"),
        (["1234567890"], "bigint"),
        (["1234567890123456789"], "decimal(38,0)"),
        (["01", "2"], "string"),
        (["+1"], "string"),
        (["1.5", "22", "-0.25"], "decimal(18,2)"),
        (["1e5", "2.5"], "double"),
        (["1.2345678901234567e5"], "string"),
        (["1", "NA"], "string"),
        (["true", "FALSE"], "boolean"),
        (["2013-02-28"], "date"),
        (["2013-02-30"], "string"),
        (["2013-02-28 05:00", "2013-02-28T05:00:00.123456+01:00"], "timestamp"),
        (["2013-02-28T25:00"], "string"),
        (["2013-02-28", "2013-02-28T05:00"], "string"),
        (["", "1"], "string"),
        ([None], "string"),
    ],
)
def test_text_has_the_narrowest_type_that_loses_nothing(values, kind):
    assert text_type(pa.chunked_array([pa.array(values, pa.string())])) == kind


NUMBERS = st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
EXACT = {"int": int, "bigint": int, "decimal": Decimal, "double": lambda text: Decimal(repr(float(text)))}


@settings(deadline=None)
@given(st.lists(NUMBERS | st.text(alphabet="0123456789.-+eE NA", max_size=8), min_size=1, max_size=4))
def test_a_number_that_is_read_is_the_number_that_was_written(texts):
    kind = text_type(pa.chunked_array([pa.array(texts, pa.string())])).partition("(")[0]
    for text in texts if kind != "string" else ():
        assert EXACT[kind](text) == Decimal(text.strip(" "))
        assert not re.match(r" *[+-]?0[0-9]", text)


def test_what_has_a_type_keeps_it():
    kinds = {
        "tinyint": pa.int8(),
        "decimal(20,0)": pa.uint64(),
        "decimal(9,3)": pa.decimal128(9, 3),
        "timestamp": pa.timestamp("ns"),
        "array<map<string,double>>": pa.list_(pa.map_(pa.string(), pa.float64())),
        "struct<a:date,b:string>": pa.struct({"a": pa.date32(), "b": pa.time64("us")}),
        "string": pa.dictionary(pa.int8(), pa.string()),
    }
    assert [spark_name(kind) for kind in kinds.values()] == list(kinds)


ROWS = {
    "sale_id": ["1", "2", "3", "4", "5"],
    "shop": ["A1", "B2", "A1", "B2", "A1"],
    "on": ["2024-05-01"] * 5,
    "price": ["3.5", "12", "0", "7", None],
    "units": ["1", "NA", "2", "3", "4"],
    "remark": [None] * 5,
}


def test_silver_gets_types_a_key_and_what_is_required(tmp_path):
    contract = inferred(tmp_path, ROWS)
    assert [(column.name, column.type) for column in contract.columns] == [
        ("sale_id", "int"),
        ("shop", "string"),
        ("on", "date"),
        ("price", "decimal(18,1)"),
        ("units", "string"),
        ("remark", "string"),
    ]
    assert (contract.key, contract.newest_by) == (["sale_id"], ())
    assert [rule.title for rule in contract.rules] == [
        *("sale_id: required", "shop: required", "on: required", "units: required")
    ]


def test_ranges_patterns_and_enumerations_are_comments_that_can_be_accepted(tmp_path):
    rules = {rule.title: rule.argument for rule in inferred(tmp_path, ROWS, accepted=True).rules}
    assert rules["price: below_minimum"] == 0
    assert rules["price: above_maximum"] == 12
    assert rules["shop: shop_format"] == "^[A-Z0-9]{2}$"
    lines = infer_contract(SALES, pa.table(ROWS)).splitlines()
    assert '        # int, but for values that may stand for null: "NA"' in lines
    assert "        # never has a value" in lines


def test_few_values_of_many_rows_are_an_enumeration(tmp_path):
    rows = {"n": [str(n) for n in range(10)], "size": ["S", "on"] * 5}
    assert inferred(tmp_path, rows, accepted=True).rules[-1].argument == ("S", "on")


def test_bronze_keeps_text_and_promises_nothing(tmp_path):
    contract = inferred(tmp_path, ROWS | {"seats": pa.array([1] * 5, pa.int64())}, TableName("bronze", "sales"))
    assert {column.type for column in contract.columns} == {"string", "bigint"}
    assert (contract.rules, contract.key) == ((), [])


def test_the_platforms_columns_are_left_out_and_tell_newer_from_older(tmp_path):
    days = pa.array([datetime(2024, 5, day).date() for day in (1, 2)])
    rows = {"sale_id": ["1", "1"], "_source_sha256": ["a", "b"], "_delivered_on": days}
    contract = inferred(tmp_path, rows)
    assert (contract.column_names, contract.key, contract.newest_by) == (["sale_id"], ["sale_id"], ("_delivered_on",))


def test_records_that_did_not_parse_do_not_count(tmp_path):
    contract = inferred(tmp_path, {"sale_id": ["1", None], "_corrupt_record": [None, "FIELD_COUNT: 3"]})
    assert contract.key == ["sale_id"]


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"n": [1, 2], "sale_id": [3, 4]}, ("sale_id",)),
        ({"a": [1, 1, 2], "b": [1, 2, 1]}, ("a", "b")),
        ({"a": [1, 1, 1, 2], "b": [1, 1, 2, 1], "c": [1, 2, 1, 1]}, ("a", "b", "c")),
        ({"a": [1, 1], "b": [2, 2]}, ("a",)),
        ({"a": [1, None], "b": [1, 1]}, None),
    ],
)
def test_the_smallest_key_is_found_and_equal_rows_count_once(columns, key):
    found = candidate_keys(pa.table(columns), among=list(columns))
    assert found[0] == key if key else found == []


@pytest.mark.parametrize("name", ["no", "1st", "a b", "ä", "x: y", "null", "a#b", '"quoted"'])
def test_any_name_of_a_column_is_read_back(name):
    text = infer_contract(TableName("bronze", "sales"), pa.table({name: ["x"]}))
    assert yaml.safe_load(text)["schema"][0]["properties"][0]["name"] == name


def test_a_table_without_rows_gives_its_columns(tmp_path):
    contract: Contract = inferred(
        tmp_path, {"price": pa.array([], pa.decimal128(9, 2)), "shop": pa.array([], pa.string())}
    )
    assert [(column.type, column.is_required) for column in contract.columns] == [
        ("decimal(9,2)", False),
        ("string", False),
    ]


def test_numbers_with_a_type_have_ranges_as_well(tmp_path):
    rows = {"price": pa.array([Decimal("0.50"), Decimal("12.00")]), "n": pa.array([1, 2], pa.int64())}
    arguments = [rule.argument for rule in inferred(tmp_path, rows, accepted=True).rules]
    assert arguments == [None, 0.5, 12.0, None, 1, 2]


def test_what_not_all_deliveries_have_may_be_absent_and_a_name_that_is_alike_may_be_a_former_one(tmp_path):
    text = pa.array(["x"])
    newest = pa.table({"Province_State": text, "Lat": text, "Deaths": text, "Active": text})
    others = [frozenset({"Province/State", "deaths", "Note"}), frozenset({"Province/State", "Deaths", "Latitude"})]
    told = infer_contract(TableName("bronze", "dailies"), newest, others=others)
    (tmp_path / "inferred.yml").write_text(told.replace("# - {property: formerNames", "- {property: formerNames"))
    columns = read_contract(tmp_path / "inferred.yml").columns
    assert [(each.name, each.may_be_absent, each.former_names) for each in columns] == [
        ("Province_State", True, ("Province/State",)),
        ("Lat", True, ("Latitude",)),
        ("Deaths", False, ()),
        ("Active", True, ()),
        ("Note", True, ()),
    ]
    assert "formerNames" not in re.sub("# .*", "", told)


def test_names_that_come_together_are_two_columns():
    rows = pa.table({"lat": pa.array(["x"]), "id": pa.array(["1"])})
    told = infer_contract(
        TableName("bronze", "t"), rows, others=[frozenset({"lat", "latitude"}), frozenset({"latitude"})]
    )
    assert "formerNames" not in told


@pytest.mark.parametrize("character", ["\x7f", "\x85", "\u2028", "\ufeff", "\uffff"])
def test_characters_that_yaml_has_not_or_ends_a_line_at_are_spelled_out(tmp_path, character):
    columns = {f"a{character}": [f"x{character}y"] * 5 + [f"z{character}"] * 5, "k": [*map(str, range(10))]}
    contract = inferred(tmp_path, columns, accepted=True)
    assert contract.column_names == [f"a{character}", "k"]
    allowed = next(rule.argument for rule in contract.rules if rule.check == "values")
    assert allowed == (f"x{character}y", f"z{character}")
