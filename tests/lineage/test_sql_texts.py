import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql.connect.proto import Expression, Relation

from lakelib.lineage import trace
from lakelib.lineage.asking import Asked
from lakelib.lineage.plan import Plan
from lakelib.lineage.relations import resolve
from lakelib.lineage.resolving import lineage_of
from lakelib.lineage.sql import parse_query, parse_view
from lakelib.lineage.views import views_of
from tests.lineage.conftest import Shop, direct, rows, table_of


def test_what_was_read_from_a_text_is_read_without_the_parser(shop: Shop, tmp_path: Path) -> None:
    paid = shop.orders.where("amount > 1").select("id")
    first = trace(paid, kept=tmp_path)
    [kept] = tmp_path.iterdir()
    of_another_column = Relation.FromString(kept.read_bytes())
    item = Expression(unresolved_attribute={"unparsed_identifier": "placed"})
    of_another_column.with_relations.root.project.expressions[0].CopyFrom(item)
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
        "SELECT f.* FROM rated(TABLE(customers) PARTITION BY id) f",
        "SELECT * FROM customers JOIN IDENTIFIER('or' || 'ders')",
        "FROM customers |> SET name = email |> WHERE id > 1",
    ],
    ids=["not read", "for a function", "not followed", "pipe that sets"],
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
    kept.write_bytes(parse_query("SELECT nothing that is read FROM customers WHERE (").SerializeToString())
    lineage = trace(query, name=table_of, kept=tmp_path)
    assert lineage.unresolved == ("a query in SQL",)
    assert direct(lineage)["v"] == {f"transformation customers.{name}" for name in ("id", "name", "email", "country")}


READ = """
import sys
from pathlib import Path
from lakelib.lineage.asking import Asked
Asked(None, str, Path(sys.argv[1])).query(sys.argv[2])
"""


def test_texts_that_two_processes_read_can_stand_in_one_plan(shop: Shop, tmp_path: Path) -> None:
    inner = "SELECT id, name FROM customers WHERE email IN (SELECT max(placed) FROM orders)"
    outer = "SELECT name FROM named WHERE id IN (SELECT customer FROM orders)"
    for text in (inner, outer):
        subprocess.run([sys.executable, "-c", READ, tmp_path, text], check=True)
    shop.make_views()
    shop.session.sql(inner).createOrReplaceTempView("named")
    lineage = trace(shop.session.sql(outer), name=table_of, kept=tmp_path)
    deciding = ("customers.email", "orders.placed", "customers.id", "orders.customer")
    assert rows(lineage) == {f"filter {each}" for each in deciding}


def test_a_table_that_a_parameter_names_is_followed(shop: Shop) -> None:
    shop.make_views()
    query = Relation(sql={"query": "SELECT id FROM IDENTIFIER(:table)"})
    query.sql.named_arguments["table"].literal.string = "orders"
    plan = Plan(Asked(shop.session, table_of), resolve, views_of(shop.session))
    assert direct(lineage_of(plan.scope(query), plan)) == {"id": {"orders.id"}}


def test_a_view_that_cannot_be_followed_is_not_the_one_before() -> None:
    query = "SELECT id FROM customers WHERE name LIKE ANY ('a', "
    assert parse_view(f"CREATE OR REPLACE TEMP VIEW orders AS {query}") == (
        "orders",
        Relation(sql={"query": query.strip()}),
    )


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
