"""Ways to write a query, each with what is true of it: what flows into each column, what decides about it, and what
decides about the rows. Texts are SQL over the views `orders` and `customers`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tests.lineage.conftest import Build, Shop


@dataclass(frozen=True)
class Shape:
    name: str
    build: Build | str
    columns: Mapping[str, str]
    rows: str = ""
    decided: Mapping[str, str] = field(default_factory=dict)

    def make(self, shop: Shop) -> DataFrame:
        if not isinstance(self.build, str):
            return self.build(shop)
        shop.orders.createOrReplaceTempView("orders")
        shop.customers.createOrReplaceTempView("customers")
        return shop.session.sql(self.build)


def joined(shop: Shop) -> DataFrame:
    orders, customers = shop.orders, shop.customers
    return orders.join(customers, orders.customer == customers.id)


def self_join(shop: Shop) -> DataFrame:
    first, second = shop.orders.alias("first"), shop.orders.alias("second")
    pairs = first.join(second, F.col("first.id") == F.col("second.customer"))
    return pairs.select(F.col("first.amount").alias("before"), F.col("second.placed").alias("after"))


def dropped_side(shop: Shop) -> DataFrame:
    orders, customers = shop.orders.select("id", "customer"), shop.customers.select("id", "name")
    return orders.join(customers, orders.customer == customers.id).drop(customers.id)


def by_customer(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def unchanged(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    yield from frames


def temporary_view(shop: Shop) -> DataFrame:
    shop.orders.where("amount > 0").select("id", F.upper("address.city").alias("city")).createOrReplaceTempView("paid")
    return shop.session.table("paid").select("city")


def view_of_sql(shop: Shop) -> DataFrame:
    shop.orders.createOrReplaceTempView("orders")
    shop.session.sql("CREATE OR REPLACE TEMPORARY VIEW cheap AS SELECT id AS order_id FROM orders WHERE amount < 5")
    return shop.session.sql("SELECT order_id FROM cheap")


def by_date(value: Column) -> Column:
    return value.over(Window.partitionBy("customer").orderBy("placed"))


AMOUNT = "orders.amount"
CUSTOMER_JOIN = "join orders.customer, join customers.id"

DATAFRAMES = [
    Shape("select", lambda s: s.orders.select("id", "amount"), {"id": "orders.id", "amount": AMOUNT}),
    Shape("alias", lambda s: s.orders.select(F.col("id").alias("order_id")), {"order_id": "orders.id"}),
    Shape("star", lambda s: s.customers.select("*"), {n: f"customers.{n}" for n in ("id", "name", "email", "country")}),
    Shape(
        "expression",
        lambda s: s.orders.select((F.col("amount") * F.col("customer") + 1).alias("x")),
        {"x": f"{AMOUNT}, orders.customer"},
    ),
    Shape("cast", lambda s: s.orders.select(F.col("id").cast("string")), {"id": "orders.id"}),
    Shape("literal", lambda s: s.orders.select(F.lit(1).alias("one")), {"one": ""}),
    Shape(
        "case",
        lambda s: s.orders.select(F.when(F.col("amount") > 9, F.col("id")).otherwise(F.col("customer")).alias("x")),
        {"x": "orders.id, orders.customer"},
        decided={"x": "condition orders.amount"},
    ),
    Shape(
        "coalesce",
        lambda s: s.customers.select(F.coalesce("name", "email").alias("who")),
        {"who": "customers.name, customers.email"},
    ),
    Shape("expr text", lambda s: s.orders.selectExpr("amount * 2 AS twice"), {"twice": AMOUNT}),
    Shape(
        "withColumns",
        lambda s: s.orders.select("id").withColumns({"id": F.col("id") + 1, "x": F.col("id")}),
        {"id": "orders.id", "x": "orders.id"},
    ),
    Shape(
        "renamed",
        lambda s: s.orders.select("id", "amount").withColumnsRenamed({"id": "a", "amount": "b"}),
        {"a": "orders.id", "b": AMOUNT},
    ),
    Shape("toDF", lambda s: s.orders.select("id", "amount").toDF("a", "b"), {"a": "orders.id", "b": AMOUNT}),
    Shape("drop", lambda s: s.orders.select("id", "amount").drop("id"), {"amount": AMOUNT}),
    Shape(
        "filter",
        lambda s: s.orders.where(F.col("amount") > 1).select("id"),
        {"id": "orders.id"},
        "filter orders.amount",
    ),
    Shape(
        "filter text", lambda s: s.orders.where("amount > 1").select("id"), {"id": "orders.id"}, "filter orders.amount"
    ),
    Shape(
        "sort and limit",
        lambda s: s.orders.orderBy("placed").limit(3).select("id"),
        {"id": "orders.id"},
        "sort orders.placed",
    ),
    Shape("sample", lambda s: s.orders.select("id").sample(0.5), {"id": "orders.id"}),
    Shape("hint", lambda s: F.broadcast(s.orders.select("id")), {"id": "orders.id"}),
    Shape("distinct", lambda s: s.orders.select("id").distinct(), {"id": "orders.id"}, "group orders.id"),
    Shape(
        "dropDuplicates",
        lambda s: s.orders.dropDuplicates(["customer"]).select("id"),
        {"id": "orders.id"},
        "group orders.customer",
    ),
    Shape("fillna", lambda s: s.orders.select("id", "amount").fillna(0), {"id": "orders.id", "amount": AMOUNT}),
    Shape(
        "dropna", lambda s: s.orders.dropna(subset=["placed"]).select("id"), {"id": "orders.id"}, "filter orders.placed"
    ),
    Shape(
        "join",
        lambda s: joined(s).select("amount", "name"),
        {"amount": AMOUNT, "name": "customers.name"},
        CUSTOMER_JOIN,
    ),
    Shape(
        "join, columns by their side",
        lambda s: s.orders.alias("o").join(s.customers.alias("c"), F.col("o.customer") == F.col("c.id")).select("c.id"),
        {"id": "customers.id"},
        CUSTOMER_JOIN,
    ),
    Shape(
        "join using",
        lambda s: s.orders.select("id", "amount").join(s.customers.select("id", "name"), "id", "left"),
        {"id": "orders.id", "amount": AMOUNT, "name": "customers.name"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "full join using",
        lambda s: s.orders.select("id").join(s.customers.select("id"), "id", "full"),
        {"id": "orders.id, customers.id"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "semi join",
        lambda s: s.orders.select("id", "amount").join(s.customers, "id", "left_semi").select("amount"),
        {"amount": AMOUNT},
        "join orders.id, join customers.id",
    ),
    Shape(
        "drop one side",
        dropped_side,
        {"id": "orders.id", "customer": "orders.customer", "name": "customers.name"},
        CUSTOMER_JOIN,
    ),
    Shape(
        "self join",
        self_join,
        {"before": AMOUNT, "after": "orders.placed"},
        "join orders.id, join orders.customer",
    ),
    Shape(
        "window",
        lambda s: s.orders.select(by_date(F.sum("amount")).alias("x")),
        {"x": AMOUNT},
        decided={"x": "window orders.customer, window orders.placed"},
    ),
    Shape(
        "row number",
        lambda s: s.orders.select(by_date(F.row_number()).alias("n")),
        {"n": ""},
        decided={"n": "window orders.customer, window orders.placed"},
    ),
    Shape(
        "aggregate",
        lambda s: s.orders.groupBy("customer").agg(F.sum("amount").alias("total"), F.count("*").alias("n")),
        {"customer": "orders.customer", "total": AMOUNT, "n": ""},
        "group orders.customer",
    ),
    Shape(
        "aggregate, named by the engine",
        lambda s: s.orders.groupBy("customer").agg(F.sum("amount")).withColumnRenamed("sum(amount)", "total"),
        {"customer": "orders.customer", "total": AMOUNT},
        "group orders.customer",
    ),
    Shape(
        "max_by",
        lambda s: s.orders.agg(F.max_by("id", "placed").alias("newest")),
        {"newest": "orders.id"},
        decided={"newest": "condition orders.placed"},
    ),
    Shape(
        "pivot",
        lambda s: s.customers.groupBy("name").pivot("country", ["CH"]).agg(F.count("email")),
        {"name": "customers.name", "CH": "customers.email"},
        "group customers.name",
        {"CH": "condition customers.country"},
    ),
    Shape(
        "unpivot",
        lambda s: s.customers.unpivot("id", ["name", "email"], "what", "value"),
        {"id": "customers.id", "what": "", "value": "customers.name, customers.email"},
    ),
    Shape(
        "union by position",
        lambda s: s.orders.select("id", "customer").union(s.customers.select("id", "id")),
        {"id": "orders.id, customers.id", "customer": "orders.customer, customers.id"},
    ),
    Shape(
        "union by name",
        lambda s: s.orders.select("id", "amount").unionByName(
            s.customers.select("name", "id"), allowMissingColumns=True
        ),
        {"id": "orders.id, customers.id", "amount": AMOUNT, "name": "customers.name"},
    ),
    Shape(
        "except",
        lambda s: s.orders.select("id").subtract(s.customers.select("id")),
        {"id": "orders.id"},
        "filter customers.id",
    ),
    Shape(
        "explode",
        lambda s: s.orders.select("id", F.explode("items").alias("item")).select("id", "item.price"),
        {"id": "orders.id", "price": "orders.items.price"},
    ),
    Shape(
        "posexplode",
        lambda s: s.orders.select(F.posexplode("items").alias("at", "item")).select("at", "item.sku"),
        {"at": "", "sku": "orders.items.sku"},
    ),
    Shape(
        "explode a map",
        lambda s: s.orders.select(F.explode("tags").alias("key", "value")),
        {"key": "orders.tags", "value": "orders.tags"},
    ),
    Shape("nested field", lambda s: s.orders.select("address.city"), {"city": "orders.address.city"}),
    Shape(
        "fields of a struct",
        lambda s: s.orders.select("address.*"),
        {"city": "orders.address.city", "zip": "orders.address.zip"},
    ),
    Shape(
        "struct and back",
        lambda s: s.orders.select(F.struct("id", F.col("amount").alias("sum")).alias("s")).select("s.sum"),
        {"sum": AMOUNT},
    ),
    Shape(
        "value of a map", lambda s: s.orders.select(F.col("tags")["colour"].alias("colour")), {"colour": "orders.tags"}
    ),
    Shape(
        "higher-order function",
        lambda s: s.orders.select(F.transform("items", lambda item: item["price"]).alias("prices")),
        {"prices": "orders.items.price"},
    ),
    Shape(
        "python function",
        lambda s: s.orders.select(F.udf(lambda amount, number: amount, "double")("amount", "id").alias("x")),
        {"x": f"{AMOUNT}, orders.id"},
    ),
    Shape(
        "mapInPandas",
        lambda s: s.orders.select("id", "amount").mapInPandas(unchanged, "a int, b double"),
        {"a": f"orders.id, {AMOUNT}", "b": f"orders.id, {AMOUNT}"},
    ),
    Shape(
        "applyInPandas",
        lambda s: s.orders.select("customer", "amount").groupBy("customer").applyInPandas(by_customer, "x double"),
        {"x": f"orders.customer, {AMOUNT}"},
        "group orders.customer",
    ),
    Shape("cached", lambda s: s.orders.select("id").cache(), {"id": "orders.id"}),
    Shape("temporary view", temporary_view, {"city": "orders.address.city"}, "filter orders.amount"),
    Shape("view made by SQL", view_of_sql, {"order_id": "orders.id"}, "filter orders.amount"),
    Shape(
        "scalar subquery of a frame",
        lambda s: s.customers.select("name", s.orders.select(F.max("amount")).scalar().alias("most")),
        {"name": "customers.name", "most": AMOUNT},
    ),
    Shape("rows made in Python", lambda s: s.session.createDataFrame([(1,)], "x int"), {"x": "rows made in Python.x"}),
]
TEXTS = [
    Shape("SQL: select", "SELECT id, amount * 2 AS twice FROM orders", {"id": "orders.id", "twice": AMOUNT}),
    Shape("SQL: star", "SELECT o.* FROM (SELECT id, amount FROM orders) o", {"id": "orders.id", "amount": AMOUNT}),
    Shape(
        "SQL: join",
        "SELECT o.amount, c.name FROM orders o LEFT JOIN customers c ON o.customer = c.id",
        {"amount": AMOUNT, "name": "customers.name"},
        CUSTOMER_JOIN,
    ),
    Shape(
        "SQL: join using",
        "SELECT id, name FROM orders JOIN customers USING (id)",
        {"id": "orders.id", "name": "customers.name"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "SQL: common table expression",
        "WITH big AS (SELECT id, customer FROM orders WHERE amount > 9) SELECT customer AS c FROM big",
        {"c": "orders.customer"},
        "filter orders.amount",
    ),
    Shape(
        "SQL: scalar subquery",
        "SELECT name, (SELECT max(amount) FROM orders o WHERE o.customer = c.id) AS most FROM customers c",
        {"name": "customers.name", "most": AMOUNT},
        decided={"most": "filter orders.customer, filter customers.id"},
    ),
    Shape(
        "SQL: exists",
        "SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer = c.id)",
        {"name": "customers.name"},
        "filter orders.customer, filter customers.id",
    ),
    Shape(
        "SQL: in",
        "SELECT name FROM customers WHERE id IN (SELECT customer FROM orders)",
        {"name": "customers.name"},
        "filter orders.customer, filter customers.id",
    ),
    Shape(
        "SQL: group and having",
        "SELECT customer, sum(amount) AS total FROM orders GROUP BY 1 HAVING count(placed) > 1",
        {"customer": "orders.customer", "total": AMOUNT},
        "group orders.customer, filter orders.placed",
    ),
    Shape(
        "SQL: case",
        "SELECT CASE WHEN amount > 9 THEN id ELSE 0 END AS x FROM orders",
        {"x": "orders.id"},
        decided={"x": "condition orders.amount"},
    ),
    Shape(
        "SQL: window",
        "SELECT sum(amount) OVER (PARTITION BY customer ORDER BY placed) AS x FROM orders",
        {"x": AMOUNT},
        decided={"x": "window orders.customer, window orders.placed"},
    ),
    Shape(
        "SQL: union",
        "SELECT id, amount FROM orders UNION ALL SELECT id, 0 FROM customers",
        {"id": "orders.id, customers.id", "amount": AMOUNT},
    ),
    Shape(
        "SQL: lateral view",
        "SELECT id, item.price FROM orders LATERAL VIEW explode(items) t AS item",
        {"id": "orders.id", "price": "orders.items.price"},
    ),
    Shape("SQL: nested field", "SELECT address.city AS city FROM orders", {"city": "orders.address.city"}),
    Shape(
        "SQL: order",
        "SELECT amount AS a FROM orders ORDER BY a, placed LIMIT 3",
        {"a": AMOUNT},
        "sort orders.amount, sort orders.placed",
    ),
]
SHAPES = [*DATAFRAMES, *TEXTS]
