import json
import subprocess
import sys
from datetime import date
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

from lakelib.contracts import Reference, Rule, load_contract, read_contract, spark_type, table_schema
from lakelib.contracts.model import Comparison, ServiceLevel
from lakelib.contracts.types import canonical, is_type, is_wider
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
        (THINGS.replace('"decimal(10,2)"', "2013-02-30"), "is not YAML: day is out of range"),
        (THINGS.replace("name: thing_id, ", ""), "needs a name"),
        ("- a list", "does not hold a mapping"),
        (THINGS.replace("name: things\n", "name: things\n    physicalName: silver.others\n"), "silver.others"),
        (
            THINGS.replace("name: things\n", "name: things\n    quality: [{type: text, name: q, description: all}]\n"),
            "schema.0.quality.q is not a rule",
        ),
    ],
)
def test_a_broken_contract_names_the_file_and_the_field(tmp_path, broken, says):
    with pytest.raises(ContractError, match=r"things\.yml") as raised:
        load(tmp_path, broken)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("broken", "line", "hint"),
    [
        (THINGS.replace("primaryKey: true", "requried: true"), 11, "Did you mean required?"),
        (THINGS.replace("version:", "verison:"), 6, "Did you mean version?"),
        (THINGS.replace("{minimum: 0}", "{minimun: 0}"), 12, "Did you mean minimum?"),
        (THINGS + "    quality: [{type: library, metric: rowCount, mustBe: x}]", 13, ""),
        (THINGS.replace('"decimal(10,2)"', "[1"), 12, ""),
        (THINGS.replace('"decimal(10,2)"', '"\x07"'), 12, ""),
    ],
)
def test_a_broken_contract_names_the_line_and_what_was_meant(tmp_path, broken, line, hint):
    with pytest.raises(ContractError, match=rf"things\.yml, line {line}: ") as raised:
        load(tmp_path, broken)
    assert hint in raised.value.hint


@pytest.mark.parametrize("pattern", ["[A-Z", "(?=a)b", "(?<!a)b", r"(a)\1", "a++", r"a\Z"])
def test_a_pattern_that_an_engine_does_not_understand_is_refused(tmp_path, pattern):
    option = size(physicalType="string", logicalTypeOptions={"pattern": pattern})
    metric = {"type": "library", "metric": "invalidValues", "arguments": {"pattern": pattern}, "mustBe": 0}
    for contract in (option, size(quality=[metric])):
        with pytest.raises(ContractError, match=r"pattern is .*, no regular expression that both engines"):
            load(tmp_path, contract)


@pytest.mark.parametrize("pattern", ["^[A-Z]{2}$", r"^\p{L}+\z", "^(?:a|b)+?$", r"\bword\b"])
def test_a_pattern_that_both_engines_understand_is_a_rule(tmp_path, pattern):
    contract = load(tmp_path, size(physicalType="string", logicalTypeOptions={"pattern": pattern}))
    assert contract.rules[-1].argument == pattern


def test_a_missing_contract_names_those_that_exist(tmp_path):
    load(tmp_path, THINGS)
    with pytest.raises(ContractError, match=r"Did you mean silver\.things\? There are: silver\.things"):
        load_contract(TableName.parse("silver.others"), tmp_path)


def things(*columns, layer="silver", key=True, **table):
    """A contract with the column thing_id and these, as YAML's subset JSON."""
    told = {"primaryKey": True} if key and layer == "silver" else {}
    properties = [{"name": "thing_id", "physicalType": "string"} | told]
    properties += [{"physicalType": "int"} | column for column in columns]
    head = yaml.safe_load(THINGS)
    return json.dumps(head | {"schema": [{"name": "things", "properties": properties} | table]})


def size(**promise):
    return things({"name": "size"} | promise)


def quality(**rule):
    return things({"name": "size"}, quality=[{"type": "library"} | rule])


def custom(**properties):
    return [{"property": name, "value": value} for name, value in properties.items()]


@pytest.mark.parametrize(
    ("contract", "field", "hint"),
    [
        (things({"name": "size", "unique": True}, key=False), "size promises not_unique; the table has no key", "key"),
        (
            things({"name": "size", "unique": True}, customProperties=custom(keepsHistory=True)),
            "size promises not_unique; a table that keeps history",
            "",
        ),
        (
            size(relationships=[{"to": "others.id"}]),
            "size.relationships.0.to refers to table 'others'",
            "silver.airports",
        ),
        (size(relationships=[{"to": "silver.things.size"}]), "size.relationships refers to the table itself", ""),
        (size(relationships=[{"to": ["silver.a.x", "silver.a.y"]}]), "size.relationships.0.to is", "lists in `from`"),
        (things(relationships=[{"from": "a", "to": "silver.b.c"}]), "schema.0.properties.a.relationships is of a", ""),
        (
            size(relationships=[{"to": "silver.b.c", "customProperties": custom(severity="low")}]),
            "relationships.0.customProperties.severity is 'low'",
            "",
        ),
        (size(encryptedName="size_secret"), "properties.size.encryptedName", "encrypt"),
        (size(partitioned=True), "properties.size.partitioned", "partition"),
        (size(properties=[{"name": "a", "required": True}]), "size.properties.a.required is not held", "custom"),
        (size(items={"logicalType": "string"}), "size.physicalType is int; the other fields of the column say", ""),
        (size(logicalType="string"), "size.logicalType is string; the physicalType int is integer", "agree"),
        (
            things({"name": "size", "physicalType": None, "logicalType": "number"}),
            "size needs a physicalType",
            "decimal",
        ),
        (
            size(physicalType="timestamp", logicalType="timestamp", logicalTypeOptions={"timezone": False}),
            "timezone",
            "",
        ),
        (size(logicalType="integer", logicalTypeOptions={"format": "i7"}), "logicalTypeOptions.format is 'i7'", "i64"),
        (
            size(logicalTypeOptions={"pattern": "a"}),
            "pattern is 'a', which it can't be compared with: the column is int",
            "",
        ),
        (size(physicalType="date", logicalTypeOptions={"minimum": "soon"}), "minimum is 'soon', which is no date", ""),
        (size(customProperties=custom(formerNames=["thing_id"])), "formerNames names thing_id", ""),
        (things(customProperties=custom(evolution="maybe")), "evolution is 'maybe'", ""),
        (quality(type="sql", query="SELECT 1", mustBe=0), "quality.sql.query is 'SELECT 1'", "{object}"),
        (quality(type="sql", query="SELECT 1 FROM {object}"), "quality.sql compares with nothing", "mustBe"),
        (quality(metric="duplicateValues", arguments={"properties": ["x"]}), "promises unique values of x", ""),
        (size(physicalName="breadth"), "properties.size.physicalName", ""),
        (size(logicalTypeOptions={"maxLenght": 5}), "logicalTypeOptions.maxLenght", "Did you mean maxLength?"),
        (size(logicalTypeOptions={"maxLength": "5"}), "logicalTypeOptions.maxLength is '5'", ""),
        (size(customProperties=custom(maybeAbsent=True)), "customProperties.maybeAbsent", "mean mayBeAbsent?"),
        (size(customProperties=custom(mayBeAbsent=True)), "customProperties.mayBeAbsent is for bronze", ""),
        (things(customProperties=custom(newest_by="size")), "customProperties.newest_by", "mean newestBy?"),
        (things(customProperties=custom(newestBy=["size"])), "newestBy names size", "_delivered_on"),
        (things(customProperties=custom(mostGonePercent="few")), "mostGonePercent is 'few'", ""),
        (size(physicalType="varchar(10)"), "properties.size.physicalType is varchar(10)", ""),
        (things({"name": "size"}, {"name": "Size"}), "properties.Size is there twice", ""),
        (size(name="_run_id"), "properties._run_id is there twice, or is a column that lakelib adds", ""),
        (
            size(name="Sepal.Length"),
            "properties.Sepal.Length has a dot",
            'withColumnRenamed("Sepal.Length", "sepal_length")',
        ),
        (quality(metric="rowCount", mustNotBe=3), "quality.rowCount.mustNotBe", "mustBeBetween"),
        (quality(metric="rowCount"), "quality.rowCount compares with nothing", "mustBeGreaterThan"),
        (quality(metric="rowCount", mustBe=1.5), "quality.rowCount.mustBe is 1.5", ""),
        (quality(metric="rowCount", mustBeBetween=[9, 3]), "asks for 9 rows at least and 3 at most", ""),
        (quality(metric="nullValues", mustBe=0), "schema.0.quality.nullValues is not a rule", "Of a column"),
        (
            size(quality=[{"type": "library", "metric": "nullValues", "mustBeLessThan": 5, "severity": "warning"}]),
            "properties.size.quality.nullValues says mustBeLessThan with severity: warning",
            "stops the batch",
        ),
        (
            size(quality=[{"type": "library", "metric": "missingValues", "arguments": {"missing": ["n/a"]}}]),
            "properties.size.quality.missingValues is not a rule",
            "Of a column",
        ),
    ],
)
def test_a_promise_that_is_not_held_is_refused(tmp_path, contract, field, hint):
    with pytest.raises(ContractError, match=r"things\.yml") as raised:
        load(tmp_path, contract, json.loads(contract)["id"])
    assert field in raised.value.message
    assert hint in raised.value.hint


def test_the_head_promises_nothing_that_is_not_held(tmp_path):
    with pytest.raises(ContractError, match=r"things\.yml, line \d+: customProperties\.newestBy is not held"):
        load(tmp_path, THINGS + "customProperties: [{property: newestBy, value: thing_id}]")


def test_service_levels_are_kept(tmp_path):
    contract = load(tmp_path, THINGS + "slaProperties: [{property: latency, value: 4, unit: h, element: things}]")
    assert contract.service_levels == (ServiceLevel("latency", 4, "h", "things"),)


@pytest.mark.parametrize(
    "promise",
    [
        {"required": True},
        {"primaryKey": True},
        {"logicalTypeOptions": {"minimum": 1}},
        {"unique": True},
        {"relationships": [{"to": "silver.others.id"}]},
        {"quality": [{"type": "custom", "engine": "lakelib", "implementation": "size > 0"}]},
    ],
)
def test_bronze_promises_nothing_of_rows(tmp_path, promise):
    with pytest.raises(ContractError, match=r"schema\.0\.properties\.size promises .*exact copy") as raised:
        load(tmp_path, things({"name": "size"} | promise, layer="bronze"), "bronze.things")
    assert "silver" in raised.value.hint


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        ("string", {"enum": [{"value": "CH"}, {"value": False}]}),
        ("string", {"quality": [{"metric": "invalidValues", "arguments": {"validValues": ["7", 7]}}]}),
        ("string", {"quality": [{"metric": "missingValues", "arguments": {"missingValues": [None, -1]}}]}),
        ("int", {"enum": [{"value": True}]}),
        ("boolean", {"enum": [{"value": "no"}]}),
    ],
)
def test_a_list_has_values_of_the_columns_type(tmp_path, kind, promise):
    """YAML reads the country NO as false; the engines would fail at each run, or compare texts as numbers."""
    with pytest.raises(ContractError, match=rf"properties\.size lists .* can't be compared with: the column is {kind}"):
        load(tmp_path, things({"name": "size", "physicalType": kind} | promise))


def test_the_key_is_unique_by_itself(tmp_path):
    unique = THINGS.replace("primaryKey: true", "primaryKey: true, unique: true")
    assert "not_unique" not in [rule.code for rule in load(tmp_path, unique).rules]
    part = load(tmp_path, unique.replace("weight_kg,", "weight_kg, primaryKey: true,"))
    assert Rule("not_unique", "unique", ("thing_id",), "thing_id") in part.rules


@pytest.mark.parametrize(
    ("promise", "rule"),
    [
        ({"enum": [{"value": 1}, {"value": 2}]}, Rule("not_allowed", "values", (1, 2), "size")),
        (
            {"logicalTypeOptions": {"exclusiveMinimum": 0}},
            Rule("below_minimum", "condition", "`size` > 0", "size"),
        ),
        (
            {"logicalTypeOptions": {"exclusiveMaximum": 9.5}},
            Rule("above_maximum", "condition", "`size` < 9.5", "size"),
        ),
        ({"logicalTypeOptions": {"multipleOf": 5}}, Rule("no_multiple", "condition", "`size` % 5 = 0", "size")),
        ({"unique": True}, Rule("not_unique", "unique", ("size",), "size")),
        (
            {"relationships": [{"to": "gold.sizes.size", "customProperties": custom(severity="warning")}]},
            Rule(
                "unknown_reference",
                "reference",
                Reference(TableName("gold", "sizes"), (("size", "size"),)),
                "size",
                "warning",
            ),
        ),
        (
            {"quality": [{"type": "library", "metric": "missingValues", "arguments": {"missingValues": [None, 0]}}]},
            Rule("missing", "present", (0,), "size"),
        ),
        (
            {"quality": [{"type": "library", "metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"}]},
            Rule("required", "required", None, "size", "warning", Comparison("mustBeLessThan", 5, "percent")),
        ),
    ],
)
def test_what_a_column_promises_is_a_rule(tmp_path, promise, rule):
    assert load(tmp_path, size(**promise)).rules[1:] == (rule,)


@pytest.mark.parametrize(
    ("comparison", "rows"),
    [
        ({"mustBe": 3}, (3, 3)),
        ({"mustBeBetween": [3, 9]}, (3, 9)),
        ({"mustBeGreaterThan": 3}, (4, None)),
        ({"mustBeGreaterOrEqualTo": 3}, (3, None)),
        ({"mustBeLessThan": 9}, (None, 8)),
        ({"mustBeLessOrEqualTo": 9}, (None, 9)),
        ({"mustBeGreaterThan": 0, "mustBeLessThan": 9}, (1, 8)),
    ],
)
def test_a_batch_has_as_many_rows_as_promised(tmp_path, comparison, rows):
    assert load(tmp_path, quality(metric="rowCount", **comparison)).row_count == rows


def test_the_age_of_rows_is_kept_in_the_table(tmp_path):
    contract = load(tmp_path, things(customProperties=custom(newestBy=["_ingested_at"])))
    assert contract.platform_columns["_ingested_at"] == "timestamp"


@pytest.mark.parametrize("text", ["int", "decimal(10,2)", "map<string,array<decimal(3,1)>>", "struct<a:int,b:date>"])
def test_a_type_is_a_type_with_and_without_an_engine(text):
    assert (is_type(text), spark_type(text).simpleString()) == (True, text)


@pytest.mark.parametrize(
    "text", ["", "text", "decimal(39,1)", "decimal(2,3)", "decimal()", "array<int", "map<int>", "struct<a>", "int(4)"]
)
def test_what_is_no_type_is_refused(text):
    assert not is_type(text)
    with pytest.raises(ContractError, match="which is none"):
        spark_type(text)


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("Decimal( 5 )", "decimal(5,0)"),
        ("long", "bigint"),
        ("struct<A: integer, b:array<long>>", "struct<A:int,b:array<bigint>>"),
    ],
)
def test_a_type_has_one_spelling_which_is_sparks(text, spelt):
    assert canonical(text) == spelt == spark_type(text).simpleString()


WIDENINGS = [
    *("int tinyint", "bigint int", "double int", "double float", "decimal(12,2) int", "decimal(12,2) decimal(10,2)"),
    *("decimal(12,4) decimal(10,2)", "decimal(21,2) bigint"),
]
OTHERS = [
    *("int bigint", "int int", "float int", "decimal(9,2) int", "decimal(10,4) decimal(10,2)", "string int"),
    *("timestamp date", "decimal(10,2) double", "bigint decimal(5,0)", "array<bigint> array<int>"),
]


@pytest.mark.parametrize(("pair", "is_so"), [*((w, True) for w in WIDENINGS), *((o, False) for o in OTHERS)])
def test_a_type_is_wider_when_it_holds_each_value_exactly(pair, is_so):
    wide, narrow = pair.split()
    assert is_wider(wide, than=narrow) == is_so


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"logicalType": "integer"}, "int"),
        ({"logicalType": "integer", "logicalTypeOptions": {"format": "i64"}}, "bigint"),
        ({"logicalType": "number", "logicalTypeOptions": {"format": "f64"}}, "double"),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"timezone": True}}, "timestamp"),
        ({"logicalType": "array", "items": {"logicalType": "date"}}, "array<date>"),
        (
            {"logicalType": "map", "map": {"key": {"logicalType": "string"}, "value": {"physicalType": "long"}}},
            "map<string,bigint>",
        ),
        (
            {"properties": [{"name": "A", "logicalType": "boolean"}, {"name": "b", "physicalType": "decimal(4,1)"}]},
            "struct<A:boolean,b:decimal(4,1)>",
        ),
        ({"logicalType": "number", "physicalType": "int"}, "int"),
    ],
)
def test_a_logical_type_tells_the_type_where_it_is_clear(tmp_path, told, kind):
    assert load(tmp_path, things({"name": "size", "physicalType": None} | told)).columns[1].type == kind


def test_bounds_of_days_and_instants_are_such(tmp_path):
    day = {"name": "day", "physicalType": "date", "logicalTypeOptions": {"minimum": "2013-01-01"}}
    at = {"name": "at", "physicalType": "timestamp", "logicalTypeOptions": {"exclusiveMaximum": "2013-01-01T05:00:00"}}
    _, earliest, latest = load(tmp_path, things(day, at)).rules
    assert earliest.argument == date(2013, 1, 1)
    assert latest.argument == "`at` < TIMESTAMP '2013-01-01 05:00:00+00:00'"


def test_a_contract_in_any_file_names_its_table(tmp_path):
    (tmp_path / "new.yml").write_text(THINGS)
    assert read_contract(tmp_path / "new.yml").name == TableName("silver", "things")
    (tmp_path / "new.yml").write_text(THINGS.replace("id: silver.things", "id: things"))
    with pytest.raises(ContractError, match=r"line 4: id is things, which names no table"):
        read_contract(tmp_path / "new.yml")


def test_a_contract_is_read_without_pyspark(tmp_path):
    load(tmp_path, THINGS)
    code = (
        "import sys; from pathlib import Path; from lakelib.contracts import load_contract; "
        "from lakelib.names import TableName; load_contract(TableName('silver', 'things'), Path(sys.argv[1])); "
        "print('pyspark' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
