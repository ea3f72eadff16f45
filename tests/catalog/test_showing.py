import json
from pathlib import Path

import pytest

from lakelib.catalog import Lake, Node, show
from lakelib.catalog.openlineage import event_of, post_events
from lakelib.catalog.page import write_page
from lakelib.errors import CatalogError, ContractNotFoundError, TableNotFoundError
from lakelib.settings import load_settings
from tests.runner.projects import Project


def test_a_card_tells_owner_rows_rules_and_origins(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_PROJECT", str(shop.folder))
    told = repr(show("silver.orders"))
    assert "owner         sales-data, sales" in told
    assert "rows of it    3 staged, 2 published, 1 quarantined" in told
    assert "rules broken  amount: " in told
    assert "  customer string personal <- bronze.orders.customer" in told


def test_a_card_of_no_table_names_the_closest(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_PROJECT", str(shop.folder))
    with pytest.raises(ContractNotFoundError, match="Did you mean silver.orders"):
        show("silver.order")


def test_a_name_that_nothing_has_is_refused(lake: Lake) -> None:
    with pytest.raises(TableNotFoundError, match=r"Did you mean gold\.totals"):
        lake.node("gold.total")


def test_the_page_names_no_other_address(lake: Lake, tmp_path: Path) -> None:
    write_page(lake, tmp_path / "page.html", focus=Node("gold.totals"))
    text = (tmp_path / "page.html").read_text()
    data = text.partition('type="application/json">')[2].partition("</script>")[0]
    assert ["silver.orders", "amount"] in json.loads(data)["nodes"]
    assert text.replace("http://www.w3.org/2000/svg", "").count("://") == 0


def test_an_openlineage_event_has_columns_and_what_decides(lake: Lake) -> None:
    [run] = [run for run in lake.runs if run.table == "gold.totals"]
    event = event_of(run, namespace="lake")
    facet = event["outputs"][0]["facets"]["columnLineage"]
    assert [field["field"] for field in facet["fields"]["total"]["inputFields"]] == ["amount"]
    assert facet["fields"]["total"]["inputFields"][0]["transformations"][0]["subtype"] == "AGGREGATION"
    assert {each["transformations"][0]["subtype"] for each in facet["dataset"]} == {"FILTER", "GROUP_BY"}
    assert event == event_of(run, namespace="lake")


def test_an_event_that_is_not_taken_is_told(lake: Lake) -> None:
    with pytest.raises(CatalogError, match="was sent and not taken"):
        post_events(lake.runs, "http://127.0.0.1:9/lineage", namespace="lake")


def test_the_command_shows_a_way_as_text(shop: Project) -> None:
    done = shop.lake("lineage", "gold.totals.total", "--up", "--depth", "1")
    assert done.stdout.splitlines() == [
        "made of",
        "gold.totals.total",
        "└─ silver.orders.amount  (aggregation)",
        "decided about its rows: silver.orders.amount (filter), silver.orders.customer (group)",
    ]


def test_the_page_shows_whatever_a_contract_says(shop: Project, tmp_path: Path) -> None:
    title = "<!--<script>alert(1)</script>"
    path = shop.folder / "contracts" / "gold" / "totals.yml"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": title}))
    write_page(Lake(load_settings(shop.folder)), tmp_path / "page.html", focus=Node("gold.totals"))
    data = (tmp_path / "page.html").read_text().partition('type="application/json">')[2].partition("</script>")[0]
    assert json.loads(data)["about"]["gold.totals"][0] == title
    assert "<" not in data


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/events"])
def test_events_go_to_a_file_or_over_http(shop: Project, address: str) -> None:
    done = shop.lake("catalog", "openlineage", address)
    assert (done.returncode, f"were to be sent to {address}" in done.stderr) == (2, True)
