import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from lakelib.engine import Engine

DOCS = Path(__file__).parents[2] / "docs" / "engines.md"


@dataclass(frozen=True)
class Refused:
    """The engine answers with an error that says this."""

    saying: str


@dataclass(frozen=True)
class Difference:
    """What is asked of a session, with a folder for files, and what each engine answers."""

    ask: Callable[[SparkSession, Path], Any]
    embedded: Any
    spark: Any


def _sql(query: str) -> Callable[[SparkSession, Path], Any]:
    """Over view `things`; answers the first column."""
    return lambda session, folder: [row[0] for row in _things(session).sparkSession.sql(query).collect()]


def _columns_beside_using(session: SparkSession, folder: Path) -> list[str]:
    _things(session)
    return session.sql("SELECT a.* FROM things a JOIN things b USING (key)").columns


def _parameters(session: SparkSession, folder: Path) -> list[Any]:
    return [row[0] for row in session.sql("SELECT :n", args={"n": 1}).collect()]


def _statement(statement: str) -> Callable[[SparkSession, Path], Any]:
    """On a Delta table; answers that it was carried out."""

    def ask(session: SparkSession, folder: Path) -> bool:
        _things(session).write.format("delta").save(str(folder / "table"))
        session.sql(statement.format(table=f"delta.`{folder / 'table'}`")).collect()
        return True

    return ask


def _file(text: str, read: Callable[[SparkSession, str], DataFrame]) -> Callable[[SparkSession, Path], Any]:
    def ask(session: SparkSession, folder: Path) -> list[tuple[Any, ...]]:
        (folder / "file").write_text(text)
        return sorted(tuple(row) for row in read(session, str(folder / "file")).collect())

    return ask


def _parquet(column: str) -> Callable[[SparkSession, Path], Any]:
    def ask(session: SparkSession, folder: Path) -> bool:
        _things(session).write.parquet(str(folder / "parquet"))
        named = session.read.parquet(str(folder / "parquet")).selectExpr(column).first()
        return named is not None and str(folder / "parquet") in named[0]

    return ask


def _things(session: SparkSession) -> DataFrame:
    things = session.createDataFrame([(1, "a"), (2, "a"), (3, "b")], "key int, kind string")
    things.createOrReplaceTempView("things")
    return things


def _observed(session: SparkSession, folder: Path) -> dict[str, Any]:
    seen = Observation("seen")
    _things(session).observe(seen, F.count("*").alias("rows")).collect()
    return seen.get


def _streamed(session: SparkSession, folder: Path) -> int:
    _things(session).write.parquet(str(folder / "in"))
    stream = session.readStream.schema("key int, kind string").parquet(str(folder / "in")).writeStream
    stream = stream.format("parquet").option("checkpointLocation", str(folder / "checkpoint"))
    stream.trigger(availableNow=True).start(str(folder / "out")).awaitTermination(60)
    return session.read.parquet(str(folder / "out")).count()


def _overwritten_partition(session: SparkSession, folder: Path) -> list[int]:
    table, things = str(folder / "table"), _things(session)
    things.write.format("delta").partitionBy("kind").save(table)
    dynamic = things.where("key = 3").write.format("delta").mode("overwrite")
    dynamic.option("partitionOverwriteMode", "dynamic").partitionBy("kind").save(table)
    return sorted(row.key for row in session.read.format("delta").load(table).collect())


def _unnamed_columns(session: SparkSession, folder: Path) -> bool:
    checked = F.when(F.col("key") > 5, F.raise_error("no")).otherwise(F.col("key"))
    return "USER_RAISED_EXCEPTION" in _things(session).select(checked).columns[0]


def _hashed_constant(session: SparkSession, folder: Path) -> int:
    pq.write_table(pa.table({"kind": ["a", "a"]}), folder / "constant.parquet")
    return len(session.read.parquet(str(folder / "constant.parquet")).select(F.xxhash64("kind")).collect())


def _beside_nan(session: SparkSession, folder: Path) -> list[str]:
    pq.write_table(pa.table({"value": [float("nan"), 0.5]}), folder / "nan.parquet")
    return [str(row["value"]) for row in session.read.parquet(str(folder / "nan.parquet")).collect()]


CSV = "key,kind\n1,a\n2,b,c\n"

DIFFERENCES = {
    "observe": Difference(_observed, Refused("collect metrics"), {"rows": 3}),
    "persist, cache": Difference(lambda session, _: _things(session).cache().storageLevel.useDisk, False, True),
    "localCheckpoint": Difference(
        lambda session, _: _things(session).localCheckpoint().count(), Refused("checkpoint"), 3
    ),
    "approxQuantile": Difference(
        lambda session, _: _things(session).approxQuantile("key", [0.5], 0.0), Refused("approx quantile"), [2.0]
    ),
    "percentile_approx": Difference(_sql("SELECT percentile_approx(key, 0.5) FROM things WHERE key < 3"), [1.5], [1]),
    "PIVOT": Difference(
        _sql("SELECT a FROM (SELECT * FROM things) PIVOT (sum(key) FOR kind IN ('a', 'b'))"),
        Refused("invalid argument"),
        [3],
    ),
    "QUALIFY": Difference(
        _sql("SELECT key FROM things QUALIFY row_number() OVER (ORDER BY key) = 1"), Refused("QUALIFY"), [1]
    ),
    "GROUP BY ALL": Difference(
        _sql("SELECT kind, count(*) FROM things GROUP BY ALL ORDER BY kind"), Refused("ALL"), ["a", "b"]
    ),
    "lateral column alias": Difference(
        _sql("SELECT key + 1 AS more, more + 1 AS most FROM things WHERE key = 1"), Refused("more"), [2]
    ),
    "`a.*` beside USING": Difference(_columns_beside_using, ["kind"], ["key", "kind"]),
    "`spark.sql(query, args)`": Difference(_parameters, [1], Refused("UNBOUND_SQL_PARAMETER")),
    "try_to_date": Difference(_sql("SELECT try_to_date('2013-02-30')"), Refused("try_to_date"), [None]),
    "raise_error": Difference(_unnamed_columns, False, True),
    "xxhash64": Difference(_hashed_constant, Refused("panicked"), 2),
    "NaN": Difference(_beside_nan, ["0.5", "0.5"], ["nan", "0.5"]),
    "NaN and infinity in aggregates": Difference(
        _sql(
            "SELECT if(k = 'a', min(n), max(n)) FROM VALUES ('a', 1D), ('a', double('NaN')), ('a', 2D), "
            "('b', double('-Infinity')) AS t(k, n) GROUP BY k ORDER BY k"
        ),
        [2.0, -1.7976931348623157e308],
        [1.0, float("-inf")],
    ),
    "integer overflow": Difference(_sql("SELECT 2147483647 + 1"), [-2147483648], Refused("ARITHMETIC_OVERFLOW")),
    "sum overflow": Difference(
        _sql("SELECT sum(n) FROM VALUES (9223372036854775807), (1) AS t(n)"),
        [-9223372036854775808],
        Refused("ARITHMETIC_OVERFLOW"),
    ),
    "decimals with an exponent": Difference(
        _sql("SELECT CAST(try_cast('1.5e2' AS decimal(10,2)) AS string)"), [None], ["150.00"]
    ),
    "division of decimals": Difference(
        _sql("SELECT cast(cast(2 AS decimal(12,6)) / cast(3 AS decimal(12,6)) AS string)"),
        ["0.6666666666"],
        ["0.6666666666666666667"],
    ),
    "round of a double": Difference(_sql("SELECT round(1.005D, 2)"), [1.0], [1.01]),
    "bround": Difference(_sql("SELECT CAST(bround(2.5) AS int)"), [3], [2]),
    "doubles as text": Difference(
        _sql("SELECT CAST(n AS string) FROM VALUES (1e10), (5e-324), (CAST('Infinity' AS double)) AS t(n)"),
        ["10000000000.0", "5e-324", "inf"],
        ["1.0E10", "4.9E-324", "Infinity"],
    ),
    "look-behind": Difference(_sql("SELECT 'ab' RLIKE '(?<=a)b'"), Refused("Regular expression"), [True]),
    "group before a letter": Difference(_sql("SELECT regexp_replace('x1', '([0-9])', '$1th')"), ["x"], ["x1th"]),
    "from_json of numbers": Difference(
        _sql("SELECT from_json(j, 'n int').n FROM VALUES ('{\"n\": 12345678901}') AS t(j)"), [-539222987], [None]
    ),
    "from_json of dates": Difference(
        _sql("SELECT from_json(j, 'd date').d FROM VALUES ('{\"d\": \"soon\"}') AS t(j)"),
        Refused("datetime field"),
        [None],
    ),
    "datediff": Difference(_sql("SELECT typeof(datediff(DATE'2013-01-02', DATE'2013-01-01'))"), ["bigint"], ["int"]),
    "session_window": Difference(
        _sql("SELECT count(*) FROM VALUES (TIMESTAMP'2013-01-01') AS t(at) GROUP BY session_window(at, '10 minutes')"),
        Refused("session_window"),
        [1],
    ),
    "zip_with": Difference(_sql("SELECT zip_with(array(1), array(2), (a, b) -> a + b)"), Refused("zip_with"), [[3]]),
    "recursive query": Difference(
        _sql("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r"),
        Refused("not found"),
        [1, 2, 3],
    ),
    "XML source": Difference(
        _file("<r><row><k>1</k></row></r>", lambda s, file: s.read.format("xml").option("rowTag", "row").load(file)),
        Refused("No data source found for: xml"),
        [(1,)],
    ),
    "CSV `_corrupt_record`": Difference(
        _file(CSV, lambda s, file: s.read.csv(file, "key int, kind string, _corrupt_record string", header=True)),
        Refused("incorrect number of fields"),
        [(1, "a", None), (2, "b", "2,b,c")],
    ),
    "CSV `DROPMALFORMED`": Difference(
        _file(CSV, lambda s, file: s.read.csv(file, "key int, kind string", header=True, mode="DROPMALFORMED")),
        Refused("incorrect number of fields"),
        [(1, "a")],
    ),
    "multi-line JSON": Difference(
        _file('[{"k": 1},\n {"k": 2}]', lambda s, file: s.read.json(file, multiLine=True)),
        Refused("Not valid JSON"),
        [(1,), (2,)],
    ),
    "`_metadata.file_path`": Difference(_parquet("_metadata.file_path"), Refused("_metadata"), True),
    "input_file_name": Difference(_parquet("input_file_name()"), Refused("input_file_name"), True),
    "structured streaming": Difference(_streamed, Refused("streaming"), 3),
    "OPTIMIZE": Difference(_statement("OPTIMIZE {table}"), Refused("OPTIMIZE"), True),
    "VACUUM": Difference(_statement("VACUUM {table}"), Refused("VACUUM"), True),
    "DESCRIBE HISTORY": Difference(_statement("DESCRIBE HISTORY {table}"), Refused("HISTORY"), True),
    "RESTORE": Difference(_statement("RESTORE {table} TO VERSION AS OF 0"), Refused("RESTORE"), True),
    "dynamic partition overwrite": Difference(_overwritten_partition, [3], [1, 2, 3]),
}


@pytest.fixture
def session(engine: Engine) -> Iterator[SparkSession]:
    """Without the view afterwards: other tests go on with this session."""
    yield engine.session
    engine.session.sql("DROP VIEW IF EXISTS things")


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_engines_differ_as_the_table_says(engine: Engine, session: SparkSession, name: str, tmp_path: Path) -> None:
    difference = DIFFERENCES[name]
    expected = difference.embedded if engine.name == "embedded" else difference.spark
    if isinstance(expected, Refused):
        with pytest.raises(PySparkException, match=re.escape(expected.saying)):
            difference.ask(session, tmp_path)
    else:
        assert difference.ask(session, tmp_path) == expected


def test_values_are_put_into_a_query_on_both_engines(engine: Engine) -> None:
    session, things = engine.session, engine.session.createDataFrame([("it's",), ("b",)], "name string")
    assert session.sql("SELECT * FROM {things} WHERE name = {name}", name="it's", things=things).collect() == [
        ("it's",)
    ]


def test_the_table_in_the_docs_has_these_lines() -> None:
    table = DOCS.read_text(encoding="utf-8").partition("| What | embedded | spark |\n")[2].split("\n\n")[0]
    assert re.findall(r"^\| (.+?) \|", table, re.M) == list(DIFFERENCES)
