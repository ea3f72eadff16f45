"""Ways to write a query, each with what is true of it: what flows into each column and how, what decides about it,
and what decides about the rows. Texts are SQL over the views `orders` and `customers`."""

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
        shop.make_views()
        return shop.session.sql(self.build)


def computed(*columns: str) -> str:
    return ", ".join(f"transformation {column}" for column in columns)


def aggregated(*columns: str) -> str:
    return ", ".join(f"aggregation {column}" for column in columns)


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


def view_of_itself(shop: Shop) -> DataFrame:
    shop.orders.select("id", "amount").createOrReplaceTempView("step")
    shop.session.table("step").where("amount > 0").createOrReplaceTempView("step")
    return shop.session.table("step").select("id")


def unpivoted_structs(shop: Shop) -> DataFrame:
    pairs = [F.struct(F.lit(name).alias("what"), F.col(name).alias("value")) for name in ("id", "customer")]
    return shop.orders.select(F.explode(F.array(*pairs)).alias("pair")).select("pair.what", "pair.value")


def newest_in_struct(shop: Shop) -> DataFrame:
    newest = F.max(F.struct("placed", "id")).alias("newest")
    return shop.orders.groupBy("customer").agg(newest).select("customer", "newest.id")


def joined_to_own_totals(shop: Shop) -> DataFrame:
    last = shop.orders.groupBy("customer").agg(F.max("placed").alias("last"))
    return shop.orders.join(last, "customer").where("placed = last").select("id", "last")


def made_in_pandas(shop: Shop) -> DataFrame:
    frame = pd.DataFrame({"id": [1], "region": ["north"]})
    return shop.orders.join(shop.session.createDataFrame(frame), "id").select("amount", "region")


def aggregated_in_pandas(shop: Shop) -> DataFrame:
    mean = F.pandas_udf(mean_of, "double")
    return shop.orders.groupBy("customer").agg(mean("amount").alias("mean"))


def mean_of(values: pd.Series) -> float:
    return float(values.mean())


def cogrouped(shop: Shop) -> DataFrame:
    orders, customers = shop.orders.select("id", "customer"), shop.customers.select("id", "name")
    together = orders.groupBy("customer").cogroup(customers.groupBy("id"))
    return together.applyInPandas(lambda mine, _: mine, "x int")


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
        {"x": computed(AMOUNT, "orders.customer")},
    ),
    Shape("cast", lambda s: s.orders.select(F.col("id").cast("string")), {"id": computed("orders.id")}),
    Shape("literal", lambda s: s.orders.select(F.lit(1).alias("one")), {"one": ""}),
    Shape(
        "case",
        lambda s: s.orders.select(F.when(F.col("amount") > 9, F.col("id")).otherwise(F.col("customer")).alias("x")),
        {"x": computed("orders.customer", "orders.id")},
        decided={"x": "condition orders.amount"},
    ),
    Shape(
        "coalesce",
        lambda s: s.customers.select(F.coalesce("name", "email").alias("who")),
        {"who": computed("customers.email", "customers.name")},
    ),
    Shape("expr text", lambda s: s.orders.selectExpr("amount * 2 AS twice"), {"twice": computed(AMOUNT)}),
    Shape(
        "withColumns",
        lambda s: s.orders.select("id").withColumns({"id": F.col("id") + 1, "x": F.col("id")}),
        {"id": computed("orders.id"), "x": "orders.id"},
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
    Shape(
        "fillna",
        lambda s: s.orders.select("id", "amount").fillna(0),
        {"id": computed("orders.id"), "amount": computed(AMOUNT)},
    ),
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
        {"id": computed("customers.id", "orders.id")},
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
        {"x": aggregated(AMOUNT)},
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
        {"customer": "orders.customer", "total": aggregated(AMOUNT), "n": ""},
        "group orders.customer",
    ),
    Shape(
        "aggregate, named by the engine",
        lambda s: s.orders.groupBy("customer").agg(F.sum("amount")).withColumnRenamed("sum(amount)", "total"),
        {"customer": "orders.customer", "total": aggregated(AMOUNT)},
        "group orders.customer",
    ),
    Shape(
        "max_by",
        lambda s: s.orders.agg(F.max_by("id", "placed").alias("newest")),
        {"newest": aggregated("orders.id")},
        decided={"newest": "condition orders.placed"},
    ),
    Shape(
        "pivot",
        lambda s: s.customers.groupBy("name").pivot("country", ["CH"]).agg(F.count("email")),
        {"name": "customers.name", "CH": aggregated("customers.email")},
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
        {"id": "orders.id", "price": computed("orders.items.price")},
    ),
    Shape(
        "posexplode",
        lambda s: s.orders.select(F.posexplode("items").alias("at", "item")).select("at", "item.sku"),
        {"at": "", "sku": computed("orders.items.sku")},
    ),
    Shape(
        "explode a map",
        lambda s: s.orders.select(F.explode("tags").alias("key", "value")),
        {"key": computed("orders.tags"), "value": computed("orders.tags")},
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
        {"prices": computed("orders.items.price")},
    ),
    Shape(
        "python function",
        lambda s: s.orders.select(F.udf(lambda amount, number: amount, "double")("amount", "id").alias("x")),
        {"x": computed(AMOUNT, "orders.id")},
    ),
    Shape(
        "mapInPandas",
        lambda s: s.orders.select("id", "amount").mapInPandas(unchanged, "a int, b double"),
        {"a": computed(AMOUNT, "orders.id"), "b": computed(AMOUNT, "orders.id")},
    ),
    Shape(
        "applyInPandas",
        lambda s: s.orders.select("customer", "amount").groupBy("customer").applyInPandas(by_customer, "x double"),
        {"x": computed(AMOUNT, "orders.customer")},
        "group orders.customer",
    ),
    Shape("cached", lambda s: s.orders.select("id").cache(), {"id": "orders.id"}),
    Shape("temporary view", temporary_view, {"city": computed("orders.address.city")}, "filter orders.amount"),
    Shape("view made by SQL", view_of_sql, {"order_id": "orders.id"}, "filter orders.amount"),
    Shape(
        "scalar subquery of a frame",
        lambda s: s.customers.select("name", s.orders.select(F.max("amount")).scalar().alias("most")),
        {"name": "customers.name", "most": aggregated(AMOUNT)},
    ),
    Shape("view made of itself", view_of_itself, {"id": "orders.id"}, "filter orders.amount"),
    Shape(
        "joined to own totals",
        joined_to_own_totals,
        {"id": "orders.id", "last": aggregated("orders.placed")},
        "filter orders.placed, group orders.customer, join orders.customer",
    ),
    Shape(
        "rows made in pandas",
        made_in_pandas,
        {"amount": AMOUNT, "region": "rows made in Python.region"},
        "join orders.id, join rows made in Python.id",
    ),
    Shape(
        "aggregated in pandas",
        aggregated_in_pandas,
        {"customer": "orders.customer", "mean": aggregated(AMOUNT)},
        "group orders.customer",
    ),
    Shape(
        "cogrouped",
        cogrouped,
        {"x": computed("orders.id", "orders.customer", "customers.id", "customers.name")},
        "group orders.customer, group customers.id",
    ),
    Shape(
        "describe",
        lambda s: s.orders.select("id", "amount").describe(),
        {"summary": "", "id": aggregated("orders.id"), "amount": aggregated(AMOUNT)},
    ),
    Shape(
        "summary",
        lambda s: s.orders.where("id > 1").select("amount").summary("max"),
        {"summary": "", "amount": aggregated(AMOUNT)},
        "filter orders.id",
    ),
    Shape(
        "crosstab",
        lambda s: s.customers.crosstab("name", "country"),
        {"name_country": computed("customers.name")},
        "group customers.name",
    ),
    Shape(
        "intersect",
        lambda s: s.orders.select("id").intersect(s.customers.select("id")),
        {"id": "orders.id"},
        "filter customers.id",
    ),
    Shape("randomSplit", lambda s: s.orders.select("id").randomSplit([0.5, 0.5])[0], {"id": "orders.id"}),
    Shape(
        "sampleBy",
        lambda s: s.orders.sampleBy("customer", {1: 0.5}).select("id"),
        {"id": "orders.id"},
        "filter orders.customer",
    ),
    Shape("observe", lambda s: s.orders.select("id").observe("seen", F.count("*").alias("n")), {"id": "orders.id"}),
    Shape(
        "replace",
        lambda s: s.customers.select("id", "name").replace("a", "b", "name"),
        {"id": "customers.id", "name": computed("customers.name")},
    ),
    Shape(
        "columns by pattern",
        lambda s: s.customers.select(s.customers.colRegex("`(na|em).*`")),
        {"name": "customers.name", "email": "customers.email"},
    ),
    Shape(
        "rollup",
        lambda s: s.orders.rollup("customer", "placed").agg(F.sum("amount").alias("total")),
        {"customer": "orders.customer", "placed": "orders.placed", "total": aggregated(AMOUNT)},
        "group orders.customer, group orders.placed",
    ),
    Shape(
        "pivot of two",
        lambda s: (
            s.customers.groupBy("name")
            .pivot("country", ["CH"])
            .agg(F.count("email").alias("n"), F.max("id").alias("last"))
        ),
        {"name": "customers.name", "CH_n": aggregated("customers.email"), "CH_last": aggregated("customers.id")},
        "group customers.name",
        {"CH_n": "condition customers.country", "CH_last": "condition customers.country"},
    ),
    Shape(
        "rank and filter",
        lambda s: s.orders.withColumn("n", by_date(F.row_number())).where("n = 1").select("id"),
        {"id": "orders.id"},
        "window orders.customer, window orders.placed",
    ),
    Shape(
        "change since the row before",
        lambda s: s.orders.select((F.col("amount") - by_date(F.lag("amount"))).alias("x")),
        {"x": computed(AMOUNT)},
        decided={"x": "window orders.customer, window orders.placed"},
    ),
    Shape(
        "newest by a struct",
        newest_in_struct,
        {"customer": "orders.customer", "id": aggregated("orders.id")},
        "group orders.customer",
        {"id": "condition orders.placed, condition orders.id"},
    ),
    Shape(
        "field of an aggregate",
        lambda s: s.orders.groupBy("customer").agg(F.first("address").alias("a")).select("a.city"),
        {"city": aggregated("orders.address.city")},
        "group orders.customer",
    ),
    Shape(
        "collected and exploded",
        lambda s: (
            s.orders.agg(F.collect_list(F.struct("id", "amount")).alias("all"))
            .select(F.explode("all").alias("one"))
            .select("one.id")
        ),
        {"id": aggregated("orders.id")},
    ),
    Shape("rows of structs", unpivoted_structs, {"what": "", "value": computed("orders.id", "orders.customer")}),
    Shape(
        "explode a map made here",
        lambda s: s.orders.select(F.explode(F.create_map(F.lit("a"), "customer")).alias("key", "value")),
        {"key": "", "value": computed("orders.customer")},
    ),
    Shape(
        "inline",
        lambda s: s.orders.select(F.inline("items")),
        {"sku": computed("orders.items.sku"), "price": computed("orders.items.price")},
    ),
    Shape(
        "stack",
        lambda s: s.customers.select(F.stack(F.lit(2), F.lit("n"), "name", F.lit("e"), "email")),
        {"col0": "", "col1": computed("customers.name", "customers.email")},
    ),
    Shape(
        "withField",
        lambda s: s.orders.select(F.col("address").withField("paid", F.col("amount")).alias("a")).select(
            "a.paid", "a.city"
        ),
        {"paid": AMOUNT, "city": "orders.address.city"},
    ),
    Shape(
        "dropFields",
        lambda s: s.orders.select(F.col("address").dropFields("city").alias("a")).select("a.*"),
        {"zip": "orders.address.zip"},
    ),
    Shape(
        "element of an array",
        lambda s: s.orders.select(F.element_at("items", 1)["sku"].alias("x"), F.col("items")[0]["price"].alias("y")),
        {"x": "orders.items.sku", "y": "orders.items.price"},
    ),
    Shape(
        "coalesced structs",
        lambda s: s.orders.select(F.coalesce("address", F.lit(None)).alias("a")).select("a.city"),
        {"city": computed("orders.address.city")},
    ),
    Shape(
        "lambda over a column",
        lambda s: s.orders.select(F.transform("items", lambda item: item["price"] * F.col("amount")).alias("x")),
        {"x": computed("orders.items.price", AMOUNT)},
    ),
    Shape(
        "lambda that chooses",
        lambda s: s.orders.select(F.filter("items", lambda item: item["price"] > F.col("amount")).alias("x")),
        {"x": computed("orders.items")},
        decided={"x": "condition orders.items.price, condition orders.amount"},
    ),
    Shape(
        "lambda that adds up",
        lambda s: s.orders.select(F.aggregate("items", F.lit(0.0), lambda sum, item: sum + item["price"]).alias("x")),
        {"x": computed("orders.items.price")},
    ),
    Shape(
        "lambda over a map",
        lambda s: s.orders.select(F.map_filter("tags", lambda key, _: key > "a").alias("x")),
        {"x": computed("orders.tags")},
        decided={"x": "condition orders.tags"},
    ),
    Shape(
        "subquery in a filter",
        lambda s: s.customers.where(F.col("id").isin(s.orders.select("customer"))).select("name"),
        {"name": "customers.name"},
        "filter customers.id, filter orders.customer",
    ),
    Shape(
        "lateral join",
        lambda s: (
            s.customers.alias("c")
            .lateralJoin(s.orders.where(F.col("customer") == F.col("c.id").outer()).select("amount"))
            .select("name", "amount")
        ),
        {"name": "customers.name", "amount": AMOUNT},
        "filter customers.id, filter orders.customer",
    ),
    Shape("toJSON", lambda s: s.orders.select("id", "amount").toJSON(), {"value": computed("orders.id", AMOUNT)}),
    Shape("rows made in Python", lambda s: s.session.createDataFrame([(1,)], "x int"), {"x": "rows made in Python.x"}),
]
TEXTS = [
    Shape("SQL: select", "SELECT id, amount * 2 AS twice FROM orders", {"id": "orders.id", "twice": computed(AMOUNT)}),
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
        {"name": "customers.name", "most": aggregated(AMOUNT)},
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
        {"customer": "orders.customer", "total": aggregated(AMOUNT)},
        "group orders.customer, filter orders.placed",
    ),
    Shape(
        "SQL: case",
        "SELECT CASE WHEN amount > 9 THEN id ELSE 0 END AS x FROM orders",
        {"x": computed("orders.id")},
        decided={"x": "condition orders.amount"},
    ),
    Shape(
        "SQL: window",
        "SELECT sum(amount) OVER (PARTITION BY customer ORDER BY placed) AS x FROM orders",
        {"x": aggregated(AMOUNT)},
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
        {"id": "orders.id", "price": computed("orders.items.price")},
    ),
    Shape("SQL: nested field", "SELECT address.city AS city FROM orders", {"city": "orders.address.city"}),
    Shape(
        "SQL: order",
        "SELECT amount AS a FROM orders ORDER BY a, placed LIMIT 3",
        {"a": AMOUNT},
        "sort orders.amount, sort orders.placed",
    ),
    Shape(
        "SQL: lateral view of positions",
        "SELECT id, at, item.sku FROM orders LATERAL VIEW posexplode(items) t AS at, item",
        {"id": "orders.id", "at": "", "sku": computed("orders.items.sku")},
    ),
    Shape(
        "SQL: lateral view of a map",
        "SELECT id, k, v FROM orders LATERAL VIEW OUTER explode(tags) t AS k, v",
        {"id": "orders.id", "k": computed("orders.tags"), "v": computed("orders.tags")},
    ),
    Shape(
        "SQL: stack",
        "SELECT id, stack(2, 'n', name, 'e', email) AS (what, value) FROM customers",
        {"id": "customers.id", "what": "", "value": computed("customers.name", "customers.email")},
    ),
    Shape(
        "SQL: inline",
        "SELECT id, inline(items) FROM orders",
        {"id": "orders.id", "sku": computed("orders.items.sku"), "price": computed("orders.items.price")},
    ),
    Shape(
        "SQL: grouping sets",
        "SELECT customer, placed, sum(amount) AS total FROM orders GROUP BY GROUPING SETS ((customer), (placed), ())",
        {"customer": "orders.customer", "placed": "orders.placed", "total": aggregated(AMOUNT)},
        "group orders.customer, group orders.placed",
    ),
    Shape(
        "SQL: cube",
        "SELECT customer, count(*) AS n FROM orders GROUP BY CUBE (customer)",
        {"customer": "orders.customer", "n": ""},
        "group orders.customer",
    ),
    Shape("SQL: sample", "SELECT id FROM orders TABLESAMPLE (10 PERCENT)", {"id": "orders.id"}),
    Shape(
        "SQL: named window",
        "SELECT rank() OVER w AS x FROM orders WINDOW w AS (PARTITION BY customer ORDER BY placed)",
        {"x": ""},
        decided={"x": "window orders.customer, window orders.placed"},
    ),
    Shape(
        "SQL: lambda",
        "SELECT transform(items, i -> i.price * amount) AS x FROM orders",
        {"x": computed("orders.items.price", AMOUNT)},
    ),
    Shape(
        "SQL: lambda that chooses",
        "SELECT filter(items, i -> i.price > 2)[0].sku AS x FROM orders",
        {"x": computed("orders.items.sku")},
        decided={"x": "condition orders.items.price"},
    ),
    Shape(
        "SQL: fields of a struct",
        "SELECT o.id, o.address.* FROM orders o",
        {"id": "orders.id", "city": "orders.address.city", "zip": "orders.address.zip"},
    ),
    Shape(
        "SQL: elements",
        "SELECT tags['x'] AS x, items[0].price AS price FROM orders",
        {"x": "orders.tags", "price": "orders.items.price"},
    ),
    Shape(
        "SQL: subquery in an expression",
        "SELECT id, amount - (SELECT avg(amount) FROM orders) AS over FROM orders",
        {"id": "orders.id", "over": aggregated(AMOUNT)},
    ),
    Shape(
        "SQL: in, as a column",
        "SELECT customer IN (SELECT id FROM customers) AS known FROM orders",
        {"known": computed("orders.customer", "customers.id")},
    ),
    Shape(
        "SQL: not exists",
        "SELECT id FROM orders WHERE NOT EXISTS (SELECT 1 FROM customers c WHERE c.id = customer AND country = 'CH')",
        {"id": "orders.id"},
        "filter orders.customer, filter customers.id, filter customers.country",
    ),
    Shape(
        "SQL: values",
        "SELECT o.id, v.b FROM orders o JOIN VALUES (1, 'x') AS v(a, b) ON o.customer = v.a",
        {"id": "orders.id", "b": ""},
        "join orders.customer",
    ),
    Shape(
        "SQL: minus", "SELECT id FROM orders MINUS SELECT id FROM customers", {"id": "orders.id"}, "filter customers.id"
    ),
    Shape(
        "SQL: comma join",
        "SELECT o.id, c.name FROM orders o, customers c WHERE o.customer = c.id",
        {"id": "orders.id", "name": "customers.name"},
        "filter orders.customer, filter customers.id",
    ),
    Shape(
        "SQL: full join using",
        "SELECT * FROM (SELECT id, amount FROM orders) FULL JOIN (SELECT id, name FROM customers) USING (id)",
        {"id": computed("orders.id", "customers.id"), "amount": AMOUNT, "name": "customers.name"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "SQL: name of a table hidden by another",
        "WITH orders AS (SELECT id, customer AS amount FROM orders) SELECT amount FROM orders",
        {"amount": "orders.customer"},
    ),
    Shape(
        "SQL: aggregate of some rows",
        "SELECT sum(amount) FILTER (WHERE placed > DATE'2020-01-01') AS x FROM orders",
        {"x": aggregated(AMOUNT)},
        decided={"x": "condition orders.placed"},
    ),
    Shape(
        "SQL: aggregate of a case",
        "SELECT sum(CASE WHEN country = 'CH' THEN id ELSE 0 END) AS x FROM customers",
        {"x": aggregated("customers.id")},
        decided={"x": "condition customers.country"},
    ),
    Shape(
        "SQL: order in a group",
        "SELECT listagg(name, ',') WITHIN GROUP (ORDER BY email) AS x FROM customers",
        {"x": aggregated("customers.name")},
        decided={"x": "sort customers.email"},
    ),
    Shape(
        "SQL: natural join",
        "SELECT id, name, amount FROM orders NATURAL JOIN customers",
        {"id": "orders.id", "name": "customers.name", "amount": AMOUNT},
        "join orders.id, join customers.id",
    ),
]
# Of these the embedded engine reads none; what it would be asked for is told by Spark, in `test_engines.py`.
SPARK_TEXTS = [
    Shape(
        "SQL: star but some",
        "SELECT o.amount, c.* EXCEPT (id, email) FROM orders o JOIN customers c ON o.customer = c.id",
        {"amount": AMOUNT, "name": "customers.name", "country": "customers.country"},
        CUSTOMER_JOIN,
    ),
    Shape(
        "SQL: recursive",
        "WITH RECURSIVE t(n, who) AS (SELECT id, name FROM customers UNION ALL SELECT n + 1, who FROM t WHERE n < 9) "
        "SELECT n, who FROM t",
        {"n": computed("customers.id"), "who": "customers.name"},
        "filter customers.id",
    ),
    Shape(
        "SQL: recursive, columns that change places",
        "WITH RECURSIVE t(a, b) AS (SELECT id, customer FROM orders UNION ALL SELECT b, a FROM t) SELECT a FROM t",
        {"a": "orders.id, orders.customer"},
    ),
    Shape(
        "SQL: qualify",
        "SELECT id FROM orders QUALIFY row_number() OVER (PARTITION BY customer ORDER BY placed DESC) = 1",
        {"id": "orders.id"},
        "window orders.customer, window orders.placed",
    ),
    Shape(
        "SQL: group by all",
        "SELECT customer, sum(amount) AS total FROM orders GROUP BY ALL",
        {"customer": "orders.customer", "total": aggregated(AMOUNT)},
        "group orders.customer",
    ),
    Shape(
        "SQL: lateral subquery",
        "SELECT name, most FROM customers c, LATERAL (SELECT max(amount) AS most FROM orders WHERE customer = c.id)",
        {"name": "customers.name", "most": aggregated(AMOUNT)},
        "filter orders.customer, filter customers.id",
    ),
    Shape(
        "SQL: function of each row",
        "SELECT o.id, t.item.sku FROM orders o, LATERAL explode(o.items) AS t(item)",
        {"id": "orders.id", "sku": computed("orders.items.sku")},
    ),
    Shape(
        "SQL: alias used beside it",
        "SELECT amount * 2 AS twice, twice + 1 AS more FROM orders",
        {"twice": computed(AMOUNT), "more": computed(AMOUNT)},
    ),
    Shape(
        "SQL: pivot",
        "SELECT * FROM (SELECT name, country, id FROM customers) PIVOT (sum(id) FOR country IN ('CH', 'DE' AS de))",
        {"name": "customers.name", "CH": aggregated("customers.id"), "de": aggregated("customers.id")},
        "group customers.name",
        {"CH": "condition customers.country", "de": "condition customers.country"},
    ),
    Shape(
        "SQL: unpivot",
        "SELECT * FROM (SELECT id, name, email FROM customers) UNPIVOT (v FOR k IN (name, email))",
        {"id": "customers.id", "k": "", "v": "customers.name, customers.email"},
    ),
    Shape(
        "SQL: pipe",
        "FROM orders |> WHERE amount > 1 |> AGGREGATE sum(amount) AS total GROUP BY customer",
        {"customer": "orders.customer", "total": aggregated(AMOUNT)},
        "filter orders.amount, group orders.customer",
    ),
    Shape("SQL: a table alone", "TABLE customers", {n: f"customers.{n}" for n in ("id", "name", "email", "country")}),
    Shape(
        "SQL: grouped by time",
        "SELECT window.start AS day, count(*) AS n FROM orders GROUP BY window(placed, '1 day')",
        {"day": computed("orders.placed"), "n": ""},
        "group orders.placed",
    ),
    Shape(
        "SQL: decode",
        "SELECT decode(country, 'CH', name, email) AS x FROM customers",
        {"x": computed("customers.name", "customers.email")},
        decided={"x": "condition customers.country"},
    ),
    Shape("SQL: named by a text", "SELECT IDENTIFIER('id') AS x FROM IDENTIFIER('orders')", {"x": "orders.id"}),
    Shape(
        "SQL: sorted in parts",
        "SELECT id FROM orders DISTRIBUTE BY customer SORT BY placed",
        {"id": "orders.id"},
        "sort orders.placed",
    ),
]


def of_table_function(shop: Shop) -> DataFrame:
    items = shop.session.tvf.explode(F.col("items").outer())
    return shop.orders.lateralJoin(items).select("id", "col.price")


# DataFrames that the embedded engine does not take.
ON_SPARK = [
    Shape(
        "checkpoint",
        lambda s: s.orders.where("amount > 1").select("id").localCheckpoint(eager=False),
        {"id": "orders.id"},
        "filter orders.amount",
    ),
    Shape(
        "SQL: frames by name",
        lambda s: s.session.sql("SELECT a.id FROM {a} a JOIN {b} b ON a.customer = b.id", a=s.orders, b=s.customers),
        {"id": "orders.id"},
        CUSTOMER_JOIN,
    ),
    Shape("function of a table", of_table_function, {"id": "orders.id", "price": computed("orders.items.price")}),
]
SHAPES = [*DATAFRAMES, *TEXTS]
