from lakelib.catalog import Lake, Node
from lakelib.catalog.classification import classifications, inherited_classifications
from lakelib.catalog.drawing import as_tree
from lakelib.catalog.impact import impact_of
from lakelib.catalog.searching import search
from lakelib.intervals import Interval
from lakelib.settings import load_settings
from tests.catalog.conftest import contract, edges, key, notebook
from tests.runner.projects import Project


def test_bronze_is_what_was_delivered(lake: Lake) -> None:
    assert "amount <- orders_{date}.csv.amount (identity)" in edges(lake, "bronze.orders")


def test_a_run_tells_what_its_columns_are_made_of(lake: Lake) -> None:
    assert edges(lake, "silver.orders") == {
        "order_id <- bronze.orders.order_id (transformation)",
        "customer <- bronze.orders.customer (identity)",
        "amount <- bronze.orders.amount (transformation)",
        "* <- bronze.orders._delivered_on (filter)",
    }


def test_what_decides_is_kept_apart_from_what_flows(lake: Lake) -> None:
    assert edges(lake, "gold.totals") == {
        "customer <- silver.orders.customer (identity)",
        "total <- silver.orders.amount (aggregation)",
        "address <- silver.orders.customer (transformation)",
        "* <- silver.orders.amount (filter)",
        "* <- silver.orders.customer (group)",
    }


def test_a_column_is_followed_to_its_delivery(lake: Lake) -> None:
    assert list(as_tree(lake.graph, lake.node("gold.totals.total"), direction="up", depth=9)) == [
        "gold.totals.total",
        "└─ silver.orders.amount  (aggregation)",
        "   └─ bronze.orders.amount  (transformation)",
        "      └─ orders_{date}.csv.amount  (identity)",
    ]


def test_tables_are_followed_to_their_quarantine(lake: Lake) -> None:
    down = {str(edge.target) for edge in lake.graph.walk(Node("silver.orders"), "down", depth=1, kinds=["read"])}
    assert down == {"gold.totals", "quarantine.silver__orders"}


def test_impact_names_columns_and_whom_to_ask(lake: Lake) -> None:
    [found] = [each for each in impact_of(lake, Node("bronze.orders", "amount")) if each.table == "gold.totals"]
    assert (found.columns, found.owner, found.is_decided) == (["total"], "sales-data", True)


def test_search_takes_all_words(lake: Lake) -> None:
    assert [hit.name for hit in search(lake, ["WHO", "ordered"])] == ["silver.orders.customer"]


def test_a_field_is_followed_through_the_column_that_it_lies_in(shop: Project) -> None:
    contract(shop, "gold.cities", key("city"))
    cities = 'cities = tables.read("gold.totals").select("address.city").distinct()'
    notebook(shop, "gold.cities", cities, "tables.overwrite(cities, run.contract)")
    results = shop.run("gold.cities", interval=Interval.parse("2013-01-01", "2013-01-01"))
    assert {result.status for result in results.values()} == {"succeeded"}, results
    lake = Lake(load_settings(shop.folder))
    assert list(as_tree(lake.graph, Node("gold.cities", "city"), direction="up", depth=9)) == [
        "gold.cities.city",
        "└─ gold.totals.address.city  (identity)",
        "   └─ gold.totals.address  (transformation)",
        "      └─ silver.orders.customer  (transformation)",
        "         └─ bronze.orders.customer  (identity)",
        "            └─ orders_{date}.csv.customer  (identity)",
    ]
    assert "gold.cities" in {each.table for each in impact_of(lake, Node("bronze.orders", "customer"))}
    assert classifications(lake, "gold.cities") == {"city": ("personal",)}
    assert {each.column for each in inherited_classifications(lake)} == {
        "gold.cities.city",
        "gold.totals.address",
        "gold.totals.customer",
    }
