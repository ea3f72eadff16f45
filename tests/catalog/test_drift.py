import pyarrow as pa
from deltalake import write_deltalake

from lakelib.catalog import Lake
from lakelib.catalog.drift import drifts
from tests.runner.projects import Project


def found(lake: Lake, kind: str) -> list[tuple[str, str]]:
    return [(each.table, each.found) for each in drifts(lake) if each.kind == kind]


def test_a_commit_past_lakelib_is_noticed(shop: Project, lake: Lake) -> None:
    row = pa.table({"customer": ["eve"], "total": [1.0]})
    write_deltalake(shop.folder / ".lake/warehouse/gold/totals", row, mode="append", schema_mode="merge")
    [(table, told)] = found(lake, "commit without lineage")
    assert table == "gold.totals"
    assert told.endswith("(WRITE) was made past lakelib")


def test_a_commit_of_a_run_that_left_no_receipt_is_noticed(shop: Project, lake: Lake) -> None:
    for receipt in (shop.folder / ".lake/archive/gold/totals").glob("*/*.json"):
        receipt.unlink()
    assert {table for table, _ in found(lake, "commit without lineage")} == {"gold.totals"}


def test_a_column_that_inherits_a_classification_is_told_until_its_contract_says_one(lake: Lake) -> None:
    assert found(lake, "classification") == [
        ("gold.totals", "address is made of silver.orders.customer, which is personal"),
        ("gold.totals", "customer is made of silver.orders.customer, which is personal"),
    ]


def test_what_contract_and_table_do_not_share_is_told(shop: Project, lake: Lake) -> None:
    path = shop.folder / "contracts/gold/totals.yml"
    path.write_text(path.read_text().replace('"total"', '"sum"'))
    assert found(lake, "column") == [
        ("gold.totals", "lacks sum, which its contract promises"),
        ("gold.totals", "has total, which its contract does not know"),
    ]
