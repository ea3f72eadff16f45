import json

import pytest

from lakelib.contracts import Contract, read_contract
from lakelib.contracts.evolution import contract_changes, is_major_bump

HEAD = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "silver.things", "version": "1.0.0", "status": "active"}
THING = {"name": "thing_id", "physicalType": "int", "primaryKey": True}
SIZE = {"name": "size", "physicalType": "int"}


@pytest.fixture
def contract(tmp_path):
    def read(*columns, table="silver.things", head=None, **schema) -> Contract:
        told = HEAD | {"id": table} | (head or {}) | {"schema": [{"name": "things", "properties": columns} | schema]}
        (tmp_path / "contract.yml").write_text(json.dumps(told))
        return read_contract(tmp_path / "contract.yml")

    return read


def former(column, *names):
    return column | {"customProperties": [{"property": "formerNames", "value": list(names)}]}


@pytest.mark.parametrize(
    ("columns", "change", "is_breaking"),
    [
        ([THING], "dropped: size (int) goes", True),
        ([THING, SIZE, {"name": "colour", "physicalType": "string"}], "added: colour (string) comes", False),
        ([THING, former({"name": "weight", "physicalType": "int"}, "mass", "size")], "renamed: weight was size", True),
        (
            [THING, former({"name": "weight", "physicalType": "bigint"}, "size")],
            "renamed: weight was size, int becomes bigint",
            True,
        ),
        ([THING, SIZE | {"physicalType": "bigint"}], "widened: size is int and becomes bigint", False),
        ([THING, SIZE | {"physicalType": "smallint"}], "narrowed: size is int and becomes smallint", True),
        ([THING, SIZE | {"physicalType": "string"}], "retyped: size is int and becomes string", True),
        ([THING, SIZE | {"primaryKey": True}], "key: the key was (thing_id) and is (thing_id, size)", True),
        ([THING, SIZE | {"enum": [{"value": 1}]}], "rule_added: size not_allowed (1,) is promised", False),
        ([THING, SIZE | {"classification": "secret"}], "description: size is classified secret, was None", False),
    ],
)
def test_a_change_is_named_and_breaks_readers_or_not(contract, columns, change, is_breaking):
    found = contract_changes(contract(THING, SIZE), contract(*columns))
    assert (f"{found[0].kind}: {found[0]}", found[0].is_breaking) == (change, is_breaking)


def test_equal_contracts_and_another_order_of_columns_do_not_differ(contract):
    assert contract_changes(contract(THING, SIZE), contract(SIZE, THING)) == []


def test_a_key_column_that_is_renamed_stays_the_key(contract):
    renamed = former(THING | {"name": "part_id"}, "thing_id")
    assert [change.kind for change in contract_changes(contract(THING), contract(renamed))] == [
        *("renamed", "rule_added", "rule_dropped")
    ]


def test_a_column_that_may_be_null_from_now_on_breaks_readers(contract):
    [change, _] = contract_changes(contract(THING, SIZE | {"required": True}), contract(THING, SIZE))
    assert (change.kind, change.is_breaking) == ("optional", True)


def test_in_bronze_a_column_that_has_to_be_delivered_breaks_deliveries_and_none_is_dropped(contract):
    may_be_absent = SIZE | {"customProperties": [{"property": "mayBeAbsent", "value": True}]}
    colour = {"name": "colour", "physicalType": "string"}
    before = contract(may_be_absent, colour, table="bronze.things")
    [change] = contract_changes(before, contract(SIZE, table="bronze.things"))
    assert (str(change), change.is_breaking) == ("size has to be delivered", True)


def test_other_settings_are_shown(contract):
    quality = [{"type": "library", "metric": "rowCount", "mustBe": 3}]
    found = contract_changes(contract(THING), contract(THING, head={"domain": "parts"}, quality=quality))
    assert [(change.kind, change.is_breaking) for change in found] == [("setting", False), ("description", False)]


def test_settings_of_bronze_are_shown(contract):
    told = [{"property": "snapshotKey", "value": "size"}, {"property": "evolution", "value": "refuse"}]
    found = contract_changes(
        contract(SIZE, table="bronze.things"), contract(SIZE, table="bronze.things", customProperties=told)
    )
    assert [str(change).partition(" ")[0] for change in found] == ["snapshot_key", "evolution"]


@pytest.mark.parametrize(
    ("before", "after", "is_bump"),
    [
        ("1.9.9", "2.0.0", True),
        ("1.0.0", "1.1.0", False),
        ("2.0.0", "1.0.0", False),
        ("v1", "v2", True),
        ("a", "b", True),
    ],
)
def test_a_major_version_is_its_first_number(before, after, is_bump):
    assert is_major_bump(before, after) == is_bump
