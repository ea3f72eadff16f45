import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from deltalake import DeltaTable

from lakelib.contracts import BRONZE_COLUMNS, Contract, load_contract
from lakelib.engine import Engine, open_engine
from lakelib.names import TableName
from lakelib.quality import with_findings
from lakelib.settings import Settings
from lakelib.transform import cast_to_contract
from tests.architecture.project_files import PROJECT
from tests.docs.page import follow, steps

CONTRACTS = PROJECT / "docs" / "contracts.md"
DELIVERIES = PROJECT / "docs" / "how-to" / "fix-a-bad-delivery.md"
ADD = PROJECT / "docs" / "how-to" / "add-a-table.md"
CHANGE = PROJECT / "docs" / "how-to" / "change-a-contract.md"
FILES = [
    pytest.param(step.file, step.text, id=step.file)
    for page in (CONTRACTS, ADD, CHANGE)
    for step in steps(page)
    if step.file.startswith("contracts/")
]


def sources(folder: str) -> str:
    return "\n".join(path.read_text() for path in sorted((PROJECT / "lakelib" / folder).glob("*.py")))


def written(folder: Path, file: str, text: str) -> Contract:
    path = folder / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return load_contract(TableName(path.parent.name, path.stem), folder / "contracts")


@pytest.mark.parametrize(("file", "text"), FILES)
def test_each_contract_on_a_page_is_odcs_and_readable(tmp_path: Path, file: str, text: str) -> None:
    odcs = json.loads((files("open_data_contract_standard") / "schema.json").read_text())
    jsonschema.validate(yaml.safe_load(text), odcs)
    assert written(tmp_path, file, text).columns


GOOD = {
    **{"order_id": "7", "line": "1", "ordered_on": "2024-05-01", "reported_at": "2024-05-01T09:00:00+02:00"},
    **{
        "country": "CH",
        "channel": "web",
        "article": "Tea",
        "price_eur": " 3.50 ",
        "discount_eur": "0",
        "email": "a@b.ch",
    },
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    opened = open_engine(Settings(project=tmp_path_factory.mktemp("project")))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("change", "errors", "warnings"),
    [
        ({}, [], []),
        ({"price_eur": "3.505"}, [], []),
        ({"price_eur": "1,200"}, ["number_format"], []),
        ({"line": "1.5"}, ["number_format"], []),
        ({"line": "1000", "country": "ch"}, ["above_maximum", "country_format"], []),
        ({"price_eur": "0"}, ["below_minimum"], []),
        ({"ordered_on": "01.02.2013"}, ["date_range"], []),
        ({"channel": "fax", "article": "T"}, ["not_allowed", "value_too_short"], []),
        ({"discount_eur": "4", "email": None}, ["discount_at_most_price"], ["email_missing"]),
        ({"order_id": None}, ["required"], []),
    ],
)
def test_the_example_on_the_page_holds_what_the_page_says(
    engine: Engine, tmp_path: Path, change: dict[str, str | None], errors: list[str], warnings: list[str]
) -> None:
    [example] = [step for step in steps(CONTRACTS) if step.file]
    contract = written(tmp_path, example.file, example.text)
    schema = ", ".join(f"{name} string" for name in GOOD)
    rows = engine.session.createDataFrame([tuple((GOOD | change).values())], schema)
    [row] = rows.transform(cast_to_contract, contract).transform(with_findings, contract).collect()
    assert [sorted(found["rule"] for found in row[name]) for name in ("_errors", "_warnings")] == [errors, warnings]


def test_the_codes_of_rules_are_explained() -> None:
    codes = set(re.findall(r'Rule\((?:quality\.name or )?"([a-z_]+)"', sources("contracts")))
    codes |= set(re.findall(r'_(?:UNIQUE|REFERENCE): Final = "([a-z_]+)"', sources("contracts")))
    codes |= set(re.findall(r'\("([a-z]+_[a-z]+)", ', sources("transform")))
    codes |= {code.lower() for code in re.findall(r'"([A-Z]+_[A-Z]+): ', sources("ingest"))}
    assert len(codes) >= 12
    assert {code for code in codes if f"`{code}`" not in CONTRACTS.read_text()} == set()


def test_a_contract_is_changed_as_the_page_does_it(tmp_path: Path) -> None:
    follow(ADD, home=tmp_path)
    warehouse = tmp_path / "shop" / ".lake" / "warehouse"
    before, revenue = DeltaTable(warehouse / "silver" / "sales"), DeltaTable(warehouse / "gold" / "kpi_shop_daily")
    followed = follow(CHANGE, home=tmp_path)
    shown = [(said, step.shown) for step, said in followed.steps if step.shown]
    assert [said for said, _ in shown] == [lines for _, lines in shown]
    table = DeltaTable(warehouse / "silver" / "sales")
    rows = table.to_pyarrow_table().to_pylist()
    assert {row["sale_id"]: row["store"] for row in rows} == {
        row["sale_id"]: row["shop"] for row in before.to_pyarrow_table().to_pylist()
    }
    assert {row["channel"] for row in rows} == {"shop"}
    assert DeltaTable(revenue.table_uri).version() == revenue.version()
    assert any('"reason": "a store may be no shop"' in str(each.get("userMetadata")) for each in table.history())


def test_custom_properties_are_explained() -> None:
    known = re.findall(r'properties\.get\("(\w+)"', sources("contracts"))
    assert len(known) >= 9
    assert [name for name in known if f"`{name}`" not in CONTRACTS.read_text()] == []


def test_bronze_columns_are_explained() -> None:
    assert [name for name in BRONZE_COLUMNS if f"`{name}`" not in CONTRACTS.read_text()] == []


def test_the_reasons_for_refusing_a_delivery_are_explained() -> None:
    reasons = set(re.findall(r'reason=(?:"\w+" if \w+ else )?"([A-Z_]+)"', sources("ingest")))
    assert len(reasons) >= 12
    assert {reason for reason in reasons if f"`{reason}`" not in DELIVERIES.read_text()} == set()
