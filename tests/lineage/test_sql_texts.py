import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql.connect.proto import Expression

from lakelib.lineage import trace
from lakelib.lineage.sql import parse_query
from tests.lineage.conftest import Shop, direct, rows, table_of


def test_what_was_read_from_a_text_is_read_without_the_parser(shop: Shop, tmp_path: Path) -> None:
    paid = shop.orders.where("amount > 1").select("id")
    first = trace(paid, kept=tmp_path)
    [kept] = tmp_path.iterdir()
    of_another_column = Expression(unresolved_attribute={"unparsed_identifier": "placed"})
    kept.write_bytes(of_another_column.SerializeToString())
    assert {how for _, how in first.rows} == {"filter"}
    assert {origin.column for origin, _ in trace(paid, kept=tmp_path).rows} == {"placed"}


def test_writing_tables_loads_neither_parser_nor_catalog() -> None:
    code = "import sys, lakelib.run, lakelib.tables; print(*{'sqlglot', 'datahub'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, name AS v FROM customers WHERE name LIKE ANY ('a', ",
        "SELECT * FROM customers UNPIVOT ((v, w) FOR k IN ((name, email), (email, name)))",
    ],
    ids=["not read", "not followed"],
)
def test_of_a_query_that_cannot_be_followed_the_tables_are_known(text: str) -> None:
    told = parse_query(text).with_relations
    assert not told.HasField("root")
    assert [each.read.named_table.unparsed_identifier.strip("`") for each in told.references] == ["customers"]


def test_of_a_query_that_cannot_be_followed_all_inputs_are_told(shop: Shop, tmp_path: Path) -> None:
    shop.customers.createOrReplaceTempView("customers")
    query = shop.session.sql("SELECT id, name AS v FROM customers")
    trace(query, kept=tmp_path)
    [kept] = tmp_path.iterdir()
    kept.write_bytes(parse_query("SELECT nothing that is read FROM customers (").SerializeToString())
    lineage = trace(query, name=table_of, kept=tmp_path)
    assert lineage.unresolved == ("a query in SQL",)
    assert direct(lineage)["v"] == {f"transformation customers.{name}" for name in ("id", "name", "email", "country")}


def test_each_version_of_a_table_is_an_origin_of_its_own(shop: Shop) -> None:
    lineage = shop.trace(shop.read("silver.orders", version=0).select("id"))
    assert {origin.version for origin in lineage.columns["id"]} == {0}


def test_a_python_frame_says_that_it_is_one(shop: Shop) -> None:
    made = shop.session.createDataFrame([(1, 2)], "a int, b int").where("b > 1").select("a")
    lineage = shop.trace(made)
    assert (direct(lineage), rows(lineage)) == (
        {"a": {"rows made in Python.a"}},
        {"filter rows made in Python.b"},
    )
