"""Ways to write a query that are seldom taken, each with what is true of it, as in `shapes.py`."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tests.lineage.conftest import Shop
from tests.lineage.shapes import AMOUNT, CUSTOMER_JOIN, Shape, aggregated, computed


def column_of_the_first_side(shop: Shop) -> DataFrame:
    orders, customers = shop.orders.select("id", "customer"), shop.customers.select("id", F.col("id").alias("c"))
    return orders.union(customers).groupBy(orders["customer"]).agg(F.max(orders["id"]).alias("most"))


def star_of_the_first_side(shop: Shop) -> DataFrame:
    orders = shop.orders.select("id")
    return orders.union(shop.customers.select("id")).select(orders["*"])


def known_customers_only(shop: Shop) -> DataFrame:
    shop.make_views()
    return shop.orders.where("customer IN (SELECT id FROM customers WHERE country = 'CH')").select("id")


def less_the_most(shop: Shop) -> DataFrame:
    shop.make_views()
    return shop.orders.selectExpr("id", "amount - (SELECT max(id) FROM customers) AS x")


def both_keys(shop: Shop) -> DataFrame:
    orders, customers = shop.orders.select("id"), shop.customers.select("id")
    pairs = orders.join(customers, "id", "left")
    return pairs.select(orders["id"].alias("a"), customers["id"].alias("b"), "id")


def column_of_a_frame_before(shop: Shop) -> DataFrame:
    orders = shop.orders
    return orders.withColumn("id2", F.col("id") + 1).where(orders["amount"] > 1).select(orders["id"], "id2")


def text_over_a_view_of_a_text(shop: Shop) -> DataFrame:
    shop.make_views()
    ours = shop.session.sql("SELECT id, amount FROM orders WHERE customer IN (SELECT id FROM customers)")
    ours.createOrReplaceTempView("ours")
    return shop.session.sql("SELECT amount FROM ours WHERE id IN (SELECT id FROM customers WHERE country = 'X')")


def joined_to_its_target(shop: Shop) -> DataFrame:
    delivered, target = shop.customers.where("country = 'CH'").alias("n"), shop.customers.alias("t")
    both = delivered.join(target, F.expr("n.id = t.id"), "left")
    return both.select(F.coalesce("n.name", "t.name").alias("name"), "n.id")


def anti_joined(shop: Shop) -> DataFrame:
    orders, customers = shop.orders, shop.customers
    return orders.join(customers, orders.customer == customers.id, "left_anti").select("amount")


ODD_DATAFRAMES = [
    Shape(
        "nearest join",
        lambda s: (
            s.orders.alias("o")
            .nearestByJoin(s.customers.alias("c"), F.col("o.customer") - F.col("c.id"), 1, "exact", "similarity")
            .select("amount", "name")
        ),
        {"amount": AMOUNT, "name": "customers.name"},
        CUSTOMER_JOIN,
    ),
    Shape("anti join", anti_joined, {"amount": AMOUNT}, CUSTOMER_JOIN),
    Shape(
        "union, column of the first side",
        column_of_the_first_side,
        {"customer": "orders.customer, customers.id", "most": aggregated("orders.id", "customers.id")},
        "group orders.customer, group customers.id",
    ),
    Shape("union, star of first", star_of_the_first_side, {"id": "orders.id, customers.id"}),
    Shape(
        "hash of star",
        lambda s: s.customers.select(F.xxhash64("*").alias("h")),
        {"h": computed(*(f"customers.{n}" for n in ("id", "name", "email", "country")))},
    ),
    Shape(
        "concat_ws star",
        lambda s: s.customers.select("id", "name").select(F.concat_ws(",", "*").alias("h")),
        {"h": computed("customers.id", "customers.name")},
    ),
    Shape(
        "withField nested",
        lambda s: (
            s.orders.select(F.struct("address", "id").alias("o"))
            .select(F.col("o").withField("address.city", F.col("o.id").cast("string")).alias("o"))
            .select("o.address.city", "o.address.zip", "o.id")
        ),
        {"city": computed("orders.id"), "zip": "orders.address.zip", "id": "orders.id"},
    ),
    Shape(
        "dropFields nested",
        lambda s: (
            s.orders.select(F.struct("address", "id").alias("o"))
            .select(F.col("o").dropFields("address.city").alias("o"))
            .select("o.address.*", "o.id")
        ),
        {"zip": "orders.address.zip", "id": "orders.id"},
    ),
    Shape(
        "where in text subquery",
        known_customers_only,
        {"id": "orders.id"},
        "filter orders.customer, filter customers.id, filter customers.country",
    ),
    Shape(
        "expr scalar subquery",
        less_the_most,
        {"id": "orders.id", "x": "aggregation customers.id, " + computed(AMOUNT)},
    ),
    Shape(
        "arrays_zip",
        lambda s: (
            s.orders.groupBy("customer")
            .agg(F.collect_list("id").alias("ids"), F.collect_list("amount").alias("amounts"))
            .select(F.explode(F.arrays_zip("ids", "amounts")).alias("z"))
            .select("z.ids", "z.amounts")
        ),
        {"ids": aggregated("orders.id"), "amounts": aggregated(AMOUNT)},
        "group orders.customer",
    ),
    Shape(
        "aggregate zero",
        lambda s: s.orders.select(F.aggregate("items", F.col("amount"), lambda acc, x: x["price"]).alias("x")),
        {"x": computed(AMOUNT, "orders.items.price")},
    ),
    Shape(
        "transform with index",
        lambda s: (
            s.orders.select(F.transform("items", lambda x, i: F.struct(x["sku"].alias("s"), i.alias("i"))).alias("t"))
            .select(F.explode("t").alias("e"))
            .select("e.s", "e.i")
        ),
        {"s": computed("orders.items.sku"), "i": ""},
    ),
    Shape(
        "transform identity",
        lambda s: s.orders.select(F.transform("items", lambda x: x).alias("t")).select(F.col("t")[0]["sku"].alias("s")),
        {"s": computed("orders.items.sku")},
    ),
    Shape(
        "json_tuple",
        lambda s: s.customers.select("id", F.json_tuple("email", "a", "b").alias("a", "b")),
        {"id": "customers.id", "a": computed("customers.email"), "b": computed("customers.email")},
    ),
    Shape(
        "from_json",
        lambda s: s.customers.select(F.from_json("email", "a int, b struct<c:int>").alias("j")).select("j.b.c"),
        {"c": computed("customers.email")},
    ),
    Shape(
        "lateral alias API",
        lambda s: s.orders.select((F.col("amount") * 2).alias("twice"), (F.col("twice") + 1).alias("more")),
        {"twice": computed(AMOUNT), "more": computed(AMOUNT)},
    ),
    Shape(
        "unionByName nested missing",
        lambda s: (
            s.orders.select("id", "placed")
            .unionByName(s.customers.select("name", "id"), allowMissingColumns=True)
            .where(F.col("name").isNotNull())
            .select("placed")
        ),
        {"placed": "orders.placed"},
        "filter customers.name",
    ),
    Shape(
        "fillna dict",
        lambda s: s.customers.select("id", "name", "email").fillna({"name": "x"}),
        {"id": "customers.id", "name": computed("customers.name"), "email": "customers.email"},
    ),
    Shape(
        "dropna thresh",
        lambda s: s.customers.select("id", "name").dropna(thresh=1),
        {"id": "customers.id", "name": "customers.name"},
        "filter customers.id, filter customers.name",
    ),
    Shape(
        "cross join",
        lambda s: s.orders.select("id").crossJoin(s.customers.select("name")),
        {"id": "orders.id", "name": "customers.name"},
    ),
    Shape(
        "using, both sides",
        both_keys,
        {"a": "orders.id", "b": "customers.id", "id": "orders.id"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "right using",
        lambda s: s.orders.select("id").join(s.customers.select("id", "name"), "id", "right"),
        {"id": "customers.id", "name": "customers.name"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "pandas udf",
        lambda s: s.orders.select(F.pandas_udf(lambda a: a, "double")("amount").alias("x")),
        {"x": computed(AMOUNT)},
    ),
    Shape(
        "nullif",
        lambda s: s.customers.select(F.nullif("name", "email").alias("x")),
        {"x": computed("customers.name")},
        decided={"x": "condition customers.email"},
    ),
    Shape(
        "grouping sets API",
        lambda s: s.orders.cube("customer").agg(F.grouping("customer").alias("g"), F.sum("amount").alias("t")),
        {"customer": "orders.customer", "g": aggregated("orders.customer"), "t": aggregated(AMOUNT)},
        "group orders.customer",
    ),
    Shape(
        "udf twice",
        lambda s: (
            s.orders.withColumn("x", F.udf(lambda a: a)("amount"))
            .withColumn("x", F.concat("x", F.col("id").cast("string")))
            .select("x")
        ),
        {"x": computed(AMOUNT, "orders.id")},
    ),
    Shape(
        "dotted name",
        lambda s: s.orders.select(F.col("id").alias("a.b"), F.struct(F.col("amount").alias("b")).alias("a")).select(
            F.col("`a.b`").alias("x"), F.col("a.b").alias("y")
        ),
        {"x": "orders.id", "y": AMOUNT},
    ),
    Shape(
        "map build and read",
        lambda s: s.orders.select(F.create_map(F.lit("k"), "amount").alias("m")).select(F.col("m")["k"].alias("x")),
        {"x": computed(AMOUNT)},
    ),
    Shape(
        "window over aggregate",
        lambda s: (
            s.orders.groupBy("customer")
            .agg(F.sum("amount").alias("t"))
            .select("customer", F.rank().over(Window.orderBy("t")).alias("r"))
        ),
        {"customer": "orders.customer", "r": ""},
        "group orders.customer",
        {"r": f"window {AMOUNT}"},
    ),
    Shape(
        "first value ignoring nulls",
        lambda s: s.orders.select(
            F.last("amount", True).over(Window.partitionBy("customer").orderBy("placed")).alias("x")
        ),
        {"x": aggregated(AMOUNT)},
        decided={"x": "window orders.customer, window orders.placed"},
    ),
    Shape(
        "df.id of an older frame",
        column_of_a_frame_before,
        {"id": "orders.id", "id2": computed("orders.id")},
        "filter orders.amount",
    ),
    Shape(
        "regr", lambda s: s.orders.agg(F.regr_avgx("amount", "id").alias("x")), {"x": aggregated(AMOUNT, "orders.id")}
    ),
    Shape(
        "selectExpr stack",
        lambda s: s.customers.selectExpr("id", "stack(2,'n',name,'e',email) AS (what,value)"),
        {"id": "customers.id", "what": "", "value": computed("customers.name", "customers.email")},
    ),
    Shape(
        "count distinct",
        lambda s: s.orders.agg(F.count_distinct("id", "customer").alias("n")),
        {"n": aggregated("orders.id", "orders.customer")},
    ),
    Shape(
        "element chooses column",
        lambda s: s.orders.select(F.element_at("items", F.col("id"))["sku"].alias("x")),
        {"x": "orders.items.sku"},
        decided={"x": "condition orders.id"},
    ),
    Shape(
        "sql over frame view over text view",
        text_over_a_view_of_a_text,
        {"amount": AMOUNT},
        "filter orders.customer, filter orders.id, filter customers.id, filter customers.country",
    ),
    Shape(
        "intersect all",
        lambda s: s.orders.select("id").intersectAll(s.customers.select("id")),
        {"id": "orders.id"},
        "filter customers.id",
    ),
    Shape(
        "exceptAll",
        lambda s: s.orders.select("id").exceptAll(s.customers.select("id")),
        {"id": "orders.id"},
        "filter customers.id",
    ),
    Shape(
        "to(schema)",
        lambda s: s.orders.select("amount", "id").to(s.orders.select("id", "amount").schema),
        {"id": "orders.id", "amount": AMOUNT},
    ),
    Shape(
        "get struct from map of structs",
        lambda s: s.orders.select(F.create_map(F.lit("k"), "address").alias("m")).select(
            F.col("m")["k"]["city"].alias("x")
        ),
        {"x": computed("orders.address.city")},
    ),
    Shape(
        "merge shaped: join with target and coalesce",
        joined_to_its_target,
        {"name": computed("customers.name"), "id": "customers.id"},
        "filter customers.country, join customers.id",
    ),
]
# Of these the embedded engine reads some; they are followed as texts.
ODD_TEXTS = [
    Shape(
        "SQL: pipe that drops",
        "FROM customers |> WHERE id > 1 |> DROP email, `country` |> EXTEND upper(name) AS upper",
        {"id": "customers.id", "name": "customers.name", "upper": computed("customers.name")},
        "filter customers.id",
    ),
    Shape(
        "SQL: lateral function without a name",
        "SELECT id, col.price FROM orders, LATERAL explode(items)",
        {"id": "orders.id", "price": computed("orders.items.price")},
    ),
    Shape(
        "SQL: union in the order of a place",
        "SELECT id FROM orders UNION ALL SELECT id FROM customers ORDER BY 1",
        {"id": "orders.id, customers.id"},
        "sort orders.id, sort customers.id",
    ),
    Shape(
        "SQL: unpivot of lists",
        "SELECT * FROM (SELECT id, name, email, country FROM customers) UNPIVOT ((v, w) FOR k IN "
        "((name, email) AS a, (email, country)))",
        {
            "id": "customers.id",
            "k": "",
            "v": "customers.name, customers.email",
            "w": "customers.email, customers.country",
        },
    ),
    Shape(
        "SQL: star but a field",
        "SELECT o.* EXCEPT (items, tags, placed, o.id, address.zip) FROM orders o",
        {"customer": "orders.customer", "amount": AMOUNT, "address": computed("orders.address.city")},
    ),
    Shape(
        "SQL: except field in select",
        "SELECT address.* FROM (SELECT * EXCEPT (address.zip, items) FROM orders)",
        {"city": "orders.address.city"},
    ),
    Shape(
        "SQL: recursion that joins itself",
        "WITH RECURSIVE t(a, b) AS (SELECT id, customer FROM orders UNION ALL SELECT x.a, y.b "
        "FROM t x JOIN t y ON x.b = y.a) SELECT a, b FROM t",
        {"a": "orders.id", "b": "orders.customer"},
        "join orders.customer, join orders.id",
    ),
    Shape(
        "SQL: recursion of eight",
        "WITH RECURSIVE t(a,b,c,d,e,f,g,h) AS (SELECT id, customer, 0,0,0,0,0,0 FROM orders UNION "
        "ALL SELECT b,c,d,e,f,g,h,a FROM t) SELECT c FROM t",
        {"c": "orders.id, orders.customer"},
    ),
    Shape(
        "SQL: recursion with join to table",
        "WITH RECURSIVE t AS (SELECT id, 0 AS level FROM customers WHERE country = 'CH' UNION ALL "
        "SELECT o.id, t.level + 1 FROM t JOIN orders o ON o.customer = t.id) SELECT * FROM t",
        {"id": "customers.id, orders.id", "level": ""},
        "filter customers.country, join orders.customer, join customers.id, join orders.id",
    ),
    Shape(
        "SQL: group by column, not alias",
        "SELECT max(id) AS name, name AS n FROM customers GROUP BY name",
        {"name": aggregated("customers.id"), "n": "customers.name"},
        "group customers.name",
    ),
    Shape(
        "SQL: group by alias",
        "SELECT upper(country) AS c, count(*) AS n FROM customers GROUP BY c",
        {"c": computed("customers.country"), "n": ""},
        "group customers.country",
    ),
    Shape(
        "SQL: having with subquery and same names",
        "SELECT customer AS id, sum(amount) AS s FROM orders GROUP BY customer HAVING sum(amount) "
        "> (SELECT max(id) FROM customers)",
        {"id": "orders.customer", "s": aggregated(AMOUNT)},
        "group orders.customer, filter orders.amount, filter customers.id",
    ),
    Shape(
        "SQL: named window in qualify",
        "SELECT id FROM orders WINDOW w AS (PARTITION BY customer ORDER BY placed) QUALIFY row_number() OVER w = 1",
        {"id": "orders.id"},
        "window orders.customer, window orders.placed",
    ),
    Shape(
        "SQL: window of a window",
        "SELECT sum(amount) OVER (w ORDER BY placed) AS x FROM orders WINDOW w AS (PARTITION BY customer)",
        {"x": aggregated(AMOUNT)},
        decided={"x": "window orders.customer, window orders.placed"},
    ),
    Shape(
        "SQL: lateral join with on",
        "SELECT c.name, t.amount FROM customers c LEFT JOIN LATERAL (SELECT amount, placed FROM "
        "orders WHERE customer = c.id) t ON t.placed > DATE'2020-01-01'",
        {"name": "customers.name", "amount": AMOUNT},
        "filter orders.customer, filter customers.id, join orders.placed",
    ),
    Shape(
        "SQL: outer column over inner hidden",
        "SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM (SELECT id FROM orders) WHERE "
        "id = c.id AND email = 'x')",
        {"name": "customers.name"},
        "filter orders.id, filter customers.id, filter customers.email",
    ),
    Shape(
        "SQL: outer amount",
        "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM (SELECT id, name AS n FROM "
        "customers) WHERE id = o.customer AND amount > 1)",
        {"id": "orders.id"},
        "filter customers.id, filter orders.customer, filter orders.amount",
    ),
    Shape(
        "SQL: joins in parentheses",
        "SELECT o.id, c.name FROM (orders o JOIN customers c ON o.customer = c.id)",
        {"id": "orders.id", "name": "customers.name"},
        CUSTOMER_JOIN,
    ),
    Shape(
        "SQL: nested cte shadow",
        "WITH a AS (SELECT id FROM orders), b AS (WITH a AS (SELECT id FROM customers) SELECT id "
        "FROM a) SELECT a.id AS x, b.id AS y FROM a JOIN b ON a.id = b.id",
        {"x": "orders.id", "y": "customers.id"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "SQL: cte column names",
        "WITH a(x, y) AS (SELECT id, amount FROM orders) SELECT y FROM a AS z WHERE z.x > 1",
        {"y": AMOUNT},
        "filter orders.id",
    ),
    Shape(
        "SQL: cte table alias columns",
        "SELECT p FROM (SELECT id, amount FROM orders) AS z(p, q) WHERE q > 1",
        {"p": "orders.id"},
        f"filter {AMOUNT}",
    ),
    Shape(
        "SQL: rollup with",
        "SELECT customer, sum(amount) AS s FROM orders GROUP BY customer WITH ROLLUP",
        {"customer": "orders.customer", "s": aggregated(AMOUNT)},
        "group orders.customer",
    ),
    Shape(
        "SQL: grouping sets nested",
        "SELECT customer, placed, grouping_id() AS g, count(1) AS n FROM orders GROUP BY GROUPING "
        "SETS ((customer, placed), CUBE(customer), ())",
        {"customer": "orders.customer", "placed": "orders.placed", "g": "", "n": ""},
        "group orders.customer, group orders.placed",
    ),
    Shape(
        "SQL: group by expression",
        "SELECT year(placed) AS y, avg(amount) AS a FROM orders GROUP BY year(placed) ORDER BY y",
        {"y": computed("orders.placed"), "a": aggregated(AMOUNT)},
        "group orders.placed, sort orders.placed",
    ),
    Shape(
        "SQL: inline table",
        "SELECT a, b + id AS x FROM customers, VALUES (1, 2), (3, 4) AS v(a, b)",
        {"a": "", "x": computed("customers.id")},
    ),
    Shape("SQL: range function", "SELECT r.id + o.id AS x FROM orders o, range(3) AS r", {"x": computed("orders.id")}),
    Shape(
        "SQL: forall",
        "SELECT forall(items, i -> i.price > amount) AS x FROM orders",
        {"x": computed("orders.items.price", AMOUNT)},
    ),
    Shape(
        "SQL: exists lambda",
        "SELECT exists(items, i -> I.price > 1) AS x FROM orders",
        {"x": computed("orders.items.price")},
    ),
    Shape(
        "SQL: aggregate finish",
        "SELECT aggregate(items, CAST(0 AS DOUBLE), (s, i) -> s + i.price, s -> s / amount) AS x FROM orders",
        {"x": computed("orders.items.price", AMOUNT)},
    ),
    Shape(
        "SQL: transform_values",
        "SELECT transform_values(tags, (k, v) -> concat(v, id)) AS x FROM orders",
        {"x": computed("orders.tags", "orders.id")},
    ),
    Shape(
        "SQL: nullif etc",
        "SELECT nullif(name, email) AS a, nvl2(name, email, country) AS b, if(id > 1, name, "
        "email) AS c, elt(id, name, email) AS d FROM customers",
        {
            "a": computed("customers.name"),
            "b": computed("customers.email", "customers.country"),
            "c": computed("customers.name", "customers.email"),
            "d": computed("customers.name", "customers.email"),
        },
        decided={
            "a": "condition customers.email",
            "b": "condition customers.name",
            "c": "condition customers.id",
            "d": "condition customers.id",
        },
    ),
    Shape(
        "SQL: json tuple lateral",
        "SELECT id, a FROM customers LATERAL VIEW json_tuple(email, 'x', 'y') j AS a, b",
        {"id": "customers.id", "a": computed("customers.email")},
    ),
    Shape(
        "SQL: two lateral views",
        "SELECT i.sku, k FROM orders LATERAL VIEW explode(items) t AS i LATERAL VIEW "
        "explode(map_keys(tags)) u AS k WHERE i.price > 1",
        {"sku": computed("orders.items.sku"), "k": computed("orders.tags")},
        "filter orders.items.price",
    ),
    Shape(
        "SQL: correlated in select twice",
        "SELECT name, (SELECT count(*) FROM orders o WHERE o.customer = c.id) AS n, (SELECT "
        "max(placed) FROM orders o WHERE o.customer = c.id) AS last FROM customers c",
        {"name": "customers.name", "n": "", "last": aggregated("orders.placed")},
        decided={
            "n": "filter orders.customer, filter customers.id",
            "last": "filter orders.customer, filter customers.id",
        },
    ),
    Shape(
        "SQL: union all by name",
        "SELECT id, amount FROM orders UNION ALL BY NAME SELECT CAST(id AS DOUBLE) AS amount, id FROM customers",
        {"id": "orders.id, customers.id", "amount": AMOUNT + ", " + computed("customers.id")},
    ),
    Shape(
        "SQL: except distinct",
        "(SELECT id FROM orders) EXCEPT (SELECT id FROM customers) ORDER BY id",
        {"id": "orders.id"},
        "filter customers.id, sort orders.id",
    ),
    Shape(
        "SQL: semi join",
        "SELECT o.id FROM orders o LEFT SEMI JOIN customers c ON o.customer = c.id",
        {"id": "orders.id"},
        CUSTOMER_JOIN,
    ),
    Shape(
        "SQL: three way using",
        "SELECT id, name, x FROM orders JOIN customers USING (id) LEFT JOIN (SELECT id, country "
        "AS x FROM customers) d USING (id)",
        {"id": "orders.id", "name": "customers.name", "x": "customers.country"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "SQL: right join using qualified",
        "SELECT o.id AS a, c.id AS b, id FROM orders o RIGHT JOIN customers c USING (id)",
        {"a": "orders.id", "b": "customers.id", "id": "customers.id"},
        "join orders.id, join customers.id",
    ),
    Shape(
        "SQL: case operand",
        "SELECT CASE country WHEN 'CH' THEN name WHEN email THEN 'x' ELSE email END AS x FROM customers",
        {"x": computed("customers.name", "customers.email")},
        decided={"x": "condition customers.country, condition customers.email"},
    ),
    Shape(
        "SQL: struct dot",
        "SELECT s.a, s.b FROM (SELECT struct(id AS a, named_struct('c', amount) AS b) AS s FROM orders)",
        {"a": "orders.id", "b": computed(AMOUNT)},
    ),
    Shape(
        "SQL: arrays_zip sql",
        "SELECT z.ids AS x FROM (SELECT arrays_zip(a.ids, a.amounts) AS zz FROM (SELECT "
        "collect_list(id) AS ids, collect_list(amount) AS amounts FROM orders) a) LATERAL VIEW "
        "explode(zz) e AS z",
        {"x": aggregated("orders.id")},
    ),
    Shape(
        "SQL: map from arrays",
        "SELECT map_from_arrays(array('a'), array(amount))['a'] AS x FROM orders",
        {"x": computed(AMOUNT)},
    ),
    Shape(
        "SQL: from_json field",
        "SELECT from_json(email, 'a INT').a AS x FROM customers",
        {"x": computed("customers.email")},
    ),
    Shape(
        "SQL: colon cast",
        "SELECT id::string AS x, try_cast(name AS int) AS y FROM customers",
        {"x": computed("customers.id"), "y": computed("customers.name")},
    ),
    Shape(
        "SQL: pivot two",
        "SELECT * FROM (SELECT name, country, id FROM customers) PIVOT (sum(id) AS s, max(id) AS "
        "m FOR country IN ('CH', 'DE'))",
        {
            "name": "customers.name",
            "CH_s": aggregated("customers.id"),
            "CH_m": aggregated("customers.id"),
            "DE_s": aggregated("customers.id"),
            "DE_m": aggregated("customers.id"),
        },
        "group customers.name",
        dict.fromkeys(("CH_s", "CH_m", "DE_s", "DE_m"), "condition customers.country"),
    ),
    Shape(
        "SQL: distinct aggregate",
        "SELECT count(DISTINCT customer, placed) AS n, first(amount) IGNORE NULLS AS f FROM orders",
        {"n": aggregated("orders.customer", "orders.placed"), "f": aggregated(AMOUNT)},
    ),
    Shape(
        "SQL: order by aggregate",
        "SELECT customer FROM orders GROUP BY customer ORDER BY sum(amount) DESC",
        {"customer": "orders.customer"},
        f"group orders.customer, sort {AMOUNT}",
    ),
    Shape(
        "SQL: lateral alias in where? shadow",
        "SELECT id AS customer, customer + 1 AS x FROM orders",
        {"customer": "orders.id", "x": computed("orders.customer")},
    ),
    Shape(
        "SQL: in tuple",
        "SELECT id FROM orders WHERE (id, customer) IN (SELECT id, id FROM customers)",
        {"id": "orders.id"},
        "filter orders.id, filter orders.customer, filter customers.id",
    ),
    Shape(
        "SQL: between subquery",
        "SELECT id FROM orders WHERE amount BETWEEN 1 AND (SELECT max(id) FROM customers)",
        {"id": "orders.id"},
        "filter orders.amount, filter customers.id",
    ),
    Shape(
        "SQL: array agg filter sort",
        "SELECT sort_array(collect_set(name))[0] AS x FROM customers",
        {"x": aggregated("customers.name")},
    ),
    Shape(
        "SQL: star in struct",
        "SELECT struct(*) AS s FROM customers",
        {"s": computed(*(f"customers.{n}" for n in ("id", "name", "email", "country")))},
    ),
    Shape(
        "SQL: count star qualified",
        "SELECT count(c.*) AS n FROM customers c",
        {"n": aggregated(*(f"customers.{n}" for n in ("id", "name", "email", "country")))},
    ),
    Shape(
        "SQL: union in subquery and cte twice",
        "WITH a AS (SELECT id FROM orders) SELECT x.id FROM a x JOIN (SELECT id FROM a UNION "
        "SELECT id FROM customers) y ON x.id = y.id",
        {"id": "orders.id"},
        "join orders.id, join customers.id, group orders.id, group customers.id",
    ),
    Shape(
        "SQL: map_filter sql",
        "SELECT map_filter(tags, (k, v) -> v > name) AS x FROM orders JOIN customers ON orders.customer = customers.id",
        {"x": computed("orders.tags")},
        CUSTOMER_JOIN,
        {"x": "condition orders.tags, condition customers.name"},
    ),
    Shape(
        "SQL: date functions",
        "SELECT date_trunc('MONTH', placed) AS m, datediff(DAY, placed, current_date()) AS d, "
        "extract(YEAR FROM placed) AS y, placed + INTERVAL 1 DAY AS n FROM orders",
        {k: computed("orders.placed") for k in "mdyn"},
    ),
    Shape(
        "SQL: window frame",
        "SELECT avg(amount) OVER (PARTITION BY customer ORDER BY placed ROWS BETWEEN 2 PRECEDING "
        "AND CURRENT ROW) AS x FROM orders",
        {"x": aggregated(AMOUNT)},
        decided={"x": "window orders.customer, window orders.placed"},
    ),
    Shape(
        "SQL: filter over window",
        "SELECT sum(amount) FILTER (WHERE id > 1) OVER (PARTITION BY customer) AS x FROM orders",
        {"x": aggregated(AMOUNT)},
        decided={"x": "condition orders.id, window orders.customer"},
    ),
    Shape(
        "SQL: like any",
        "SELECT name LIKE ANY ('a%', email) AS x FROM customers",
        {"x": computed("customers.name", "customers.email")},
    ),
    Shape(
        "SQL: posexplode select",
        "SELECT id, posexplode(items) AS (p, i) FROM orders",
        {"id": "orders.id", "p": "", "i": computed("orders.items")},
    ),
]


# DataFrames that the embedded engine does not take.
ODD_ON_SPARK = [
    Shape(
        "transpose",
        lambda s: s.session.createDataFrame([("a", 1, 2), ("b", 3, 4)], "name string, n int, m int").transpose(),
        {
            "key": "",
            "a": "rows made in Python.n, rows made in Python.m",
            "b": "rows made in Python.n, rows made in Python.m",
        },
        decided={"a": "condition rows made in Python.name", "b": "condition rows made in Python.name"},
    ),
]
