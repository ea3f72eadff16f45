import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql.connect.proto import Expression

from lakelib.lineage import trace
from lakelib.lineage.asking import Asked
from lakelib.lineage.plan import Plan
from lakelib.lineage.relations import resolve
from lakelib.lineage.sql import parse_query
from lakelib.lineage.views import views_of
from tests.lineage.conftest import Shop, direct, rows, short


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


def test_of_a_query_that_cannot_be_followed_all_inputs_are_told(shop: Shop) -> None:
    shop.customers.createOrReplaceTempView("customers")
    lineage = shop.trace(shop.session.sql("SELECT id, name AS v FROM customers NATURAL JOIN customers AS c"))
    assert lineage.unresolved == ("a query in SQL",)
    assert direct(lineage)["v"] == {f"customers.{name}" for name in ("id", "name", "email", "country")}


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (
            "SELECT * FROM (SELECT name, country, id FROM customers) PIVOT (sum(id) FOR country IN ('CH', 'DE' AS de))",
            {"name": {"customers.name"}, "CH": {"customers.id"}, "de": {"customers.id"}},
        ),
        (
            "SELECT * FROM (SELECT id, name, email FROM customers) UNPIVOT (v FOR k IN (name, email))",
            {"id": {"customers.id"}, "k": set(), "v": {"customers.name", "customers.email"}},
        ),
        (
            "SELECT * EXCEPT (name, email) FROM customers",
            {"id": {"customers.id"}, "country": {"customers.country"}},
        ),
    ],
    ids=["pivot", "unpivot", "except"],
)
def test_what_only_spark_reads_is_followed(text: str, columns: dict[str, set[str]], shop: Shop) -> None:
    shop.customers.createOrReplaceTempView("customers")
    plan = Plan(Asked(shop.session, lambda path: ".".join(Path(path).parts[-2:])), resolve, views_of(shop.session))
    made = plan.scope(parse_query(text).project.input)
    assert {column.name: {short(origin) for origin in column.value.direct} for column in made.columns} == columns


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
