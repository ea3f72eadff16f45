import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

from lakelib.contracts import load_contract, table_schema
from lakelib.errors import ContractError
from lakelib.names import TableName

CONTRACTS = Path(__file__).parents[2] / "contracts"
THINGS = """
apiVersion: v3.1.0
kind: DataContract
id: silver.things
name: Things
version: 1.0.0
status: active
schema:
  - name: things
    properties:
      - {name: thing_id, logicalType: string, physicalType: string, primaryKey: true, primaryKeyPosition: 1}
      - {name: weight_kg, logicalType: number, physicalType: "decimal(10,2)", logicalTypeOptions: {minimum: 0}}
"""


def load(folder, text, name="silver.things"):
    table = TableName.parse(name)
    path = folder / table.layer / f"{table.table}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return load_contract(table, folder)


@pytest.mark.parametrize("path", sorted(CONTRACTS.glob("*/*.yml")), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_the_projects_contracts_are_odcs_and_readable(path):
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text())
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    assert load_contract(TableName(path.parent.name, path.stem), CONTRACTS).columns


def test_a_contract_tells_columns_key_and_rules(tmp_path):
    contract = load(tmp_path, THINGS)
    assert contract.column_names == ["thing_id", "weight_kg"]
    assert contract.key == ["thing_id"]
    assert [rule.title for rule in contract.rules] == ["thing_id: required", "weight_kg: below_minimum"]


def test_a_table_has_the_contracts_columns_and_the_platforms(tmp_path):
    schema = table_schema(load(tmp_path, THINGS))
    assert schema.simpleString() == (
        "struct<thing_id:string,weight_kg:decimal(10,2),_run_id:string,_updated_at:timestamp>"
    )


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (THINGS.replace("physicalType: string", "physicaltype: string"), "schema.0.properties.0.physicaltype"),
        (THINGS.replace("status:", "statos:"), "statos"),
        (THINGS.replace("primaryKeyPosition: 1", "primaryKeyPosition: first"), "primaryKeyPosition"),
        (THINGS.replace('"decimal(10,2)"', "[1"), "is not YAML"),
        (THINGS.replace("name: thing_id, ", ""), "needs a name"),
        ("- a list", "does not hold a mapping"),
        (THINGS.replace("name: things\n", "name: things\n    physicalName: silver.others\n"), "silver.others"),
        (
            THINGS.replace("name: things\n", "name: things\n    quality: [{type: sql, name: q, query: SELECT 1}]\n"),
            "quality q of the table is not a rule",
        ),
    ],
)
def test_a_broken_contract_names_the_file_and_the_field(tmp_path, broken, says):
    with pytest.raises(ContractError, match=r"things\.yml") as raised:
        load(tmp_path, broken)
    assert says in str(raised.value)


def test_a_missing_contract_names_those_that_exist(tmp_path):
    load(tmp_path, THINGS)
    with pytest.raises(ContractError, match=r"Tables with a contract: silver\.things"):
        load_contract(TableName.parse("silver.others"), tmp_path)
