"""The line in PySpark with default settings: `python pyspark_plain.py LANDING LAKE DAY`, a process a day.

As one writes it from the documentation of Spark and Delta. Checks no rules.
"""

import os
import sys
from pathlib import Path
from typing import Final

from delta import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

KEY: Final = ("l_orderkey", "l_linenumber")
TYPES: Final = {
    "l_orderkey": "bigint",
    "l_linenumber": "int",
    "l_partkey": "bigint",
    "l_suppkey": "bigint",
    "l_quantity": "decimal(12,2)",
    "l_extendedprice": "decimal(12,2)",
    "l_discount": "decimal(4,2)",
    "l_tax": "decimal(4,2)",
    "l_returnflag": "string",
    "l_linestatus": "string",
    "l_shipdate": "date",
    "l_commitdate": "date",
    "l_receiptdate": "date",
    "l_shipinstruct": "string",
    "l_shipmode": "string",
    "l_comment": "string",
    "l_updated_at": "timestamp",
}


def run(landing: Path, lake: Path, day: str) -> None:
    spark = session()
    bronze, silver = str(lake / "bronze" / "lineitem"), str(lake / "silver" / "lineitem")
    delivery = spark.read.csv(str(landing / f"lineitem/lineitem_{day}.csv"), header=True)
    delivery.select(
        "*", F.col("_metadata.file_path").alias("_source_file"), F.lit(day).cast("date").alias("_delivered_on")
    ).write.format("delta").mode("append").save(bronze)
    newest = newest_versions(spark.read.format("delta").load(bronze).where(F.col("_delivered_on") == day))
    if DeltaTable.isDeltaTable(spark, silver):
        merge(newest, DeltaTable.forPath(spark, silver))
    else:
        newest.write.format("delta").save(silver)
    for table, rows in aggregates(spark.read.format("delta").load(silver)).items():
        rows.write.format("delta").mode("overwrite").save(str(lake / "gold" / table))
    spark.stop()


def session() -> SparkSession:
    return (
        SparkSession.builder.appName("medallion")
        .config("spark.jars", os.environ["DELTA_JARS"])
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .getOrCreate()
    )


def newest_versions(delivered: DataFrame) -> DataFrame:
    typed = delivered.select(*(F.col(name).cast(kind) for name, kind in TYPES.items()))
    versions = Window.partitionBy(*KEY).orderBy(F.desc("l_updated_at"))
    return typed.withColumn("version", F.row_number().over(versions)).where("version = 1").drop("version")


def merge(rows: DataFrame, table: DeltaTable) -> None:
    (
        table.alias("t")
        .merge(rows.alias("s"), " AND ".join(f"t.{name} = s.{name}" for name in KEY))
        .whenMatchedUpdateAll(condition="s.l_updated_at > t.l_updated_at")
        .whenNotMatchedInsertAll()
        .execute()
    )


def aggregates(lines: DataFrame) -> dict[str, DataFrame]:
    price = F.col("l_extendedprice") * (1 - F.col("l_discount"))
    count, revenue = F.count("*").alias("lines"), total(price, "decimal(24,4)", "revenue")
    late = F.count_if(F.col("l_receiptdate") > F.col("l_commitdate")).alias("late_lines")
    month = F.trunc("l_shipdate", "month").alias("month")
    return {
        "pricing_summary": lines.groupBy("l_returnflag", "l_linestatus").agg(
            count,
            total(F.col("l_quantity"), "decimal(20,2)", "quantity"),
            total(F.col("l_extendedprice"), "decimal(20,2)", "base_price"),
            revenue,
            total(price * (1 + F.col("l_tax")), "decimal(28,6)", "charge"),
        ),
        "revenue_monthly": lines.groupBy(month, "l_shipmode").agg(count, revenue),
        "supplier_revenue": lines.groupBy("l_suppkey").agg(count, late, revenue),
    }


def total(amount: Column, kind: str, name: str) -> Column:
    return F.sum(amount).cast(kind).alias(name)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
