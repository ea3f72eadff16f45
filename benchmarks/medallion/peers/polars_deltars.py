"""The line in Polars, its tables written by delta-rs: `python polars_deltars.py LANDING LAKE DAY`, a process a day.

Lazy frames all the way, so that Polars streams. Checks no rules.
"""

import sys
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
from deltalake import DeltaTable

KEY: Final = ["l_orderkey", "l_linenumber"]
TYPES: Final = {
    "l_orderkey": pl.Int64(),
    "l_linenumber": pl.Int32(),
    "l_partkey": pl.Int64(),
    "l_suppkey": pl.Int64(),
    "l_quantity": pl.Decimal(12, 2),
    "l_extendedprice": pl.Decimal(12, 2),
    "l_discount": pl.Decimal(4, 2),
    "l_tax": pl.Decimal(4, 2),
    "l_returnflag": pl.String(),
    "l_linestatus": pl.String(),
    "l_shipdate": pl.Date(),
    "l_commitdate": pl.Date(),
    "l_receiptdate": pl.Date(),
    "l_shipinstruct": pl.String(),
    "l_shipmode": pl.String(),
    "l_comment": pl.String(),
}
PRICE, DISCOUNT, TAX = pl.col("l_extendedprice"), pl.col("l_discount"), pl.col("l_tax")
# Polars rounds a product of decimals to the greater scale of its factors.
REVENUE: Final = PRICE.cast(pl.Decimal(38, 4)) * (1 - DISCOUNT)
CHARGE: Final = PRICE.cast(pl.Decimal(38, 6)) * (1 - DISCOUNT) * (1 + TAX)


def run(landing: Path, lake: Path, day: str) -> None:
    name = f"lineitem/lineitem_{day}.csv"
    bronze, silver = lake / "bronze" / "lineitem", lake / "silver" / "lineitem"
    pl.scan_csv(landing / name, infer_schema=False).with_columns(
        _source_file=pl.lit(name), _delivered_on=pl.lit(date.fromisoformat(day))
    ).sink_delta(bronze, mode="append")
    newest = newest_versions(pl.scan_delta(bronze).filter(pl.col("_delivered_on") == date.fromisoformat(day)))
    if DeltaTable.is_deltatable(str(silver)):
        merge(newest, silver)
    else:
        newest.sink_delta(silver)
    for table, rows in aggregates(pl.scan_delta(silver)).items():
        rows.sink_delta(lake / "gold" / table, mode="overwrite")


def newest_versions(delivered: pl.LazyFrame) -> pl.LazyFrame:
    typed = delivered.select(
        *(pl.col(name).cast(kind) for name, kind in TYPES.items()),
        pl.col("l_updated_at").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC"),
    )
    return typed.sort("l_updated_at", descending=True).unique(KEY, keep="first")


def merge(rows: pl.LazyFrame, table: Path) -> None:
    options = {
        "predicate": " AND ".join(f"t.{name} = s.{name}" for name in KEY),
        "source_alias": "s",
        "target_alias": "t",
    }
    merger = rows.sink_delta(table, mode="merge", delta_merge_options=options)
    assert merger is not None
    merger.when_matched_update_all(predicate="s.l_updated_at > t.l_updated_at").when_not_matched_insert_all().execute()


def aggregates(lines: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    count, revenue = pl.len().cast(pl.Int64).alias("lines"), REVENUE.sum().cast(pl.Decimal(24, 4)).alias("revenue")
    late = (pl.col("l_receiptdate") > pl.col("l_commitdate")).sum().cast(pl.Int64)
    return {
        "pricing_summary": lines.group_by("l_returnflag", "l_linestatus").agg(
            count,
            pl.col("l_quantity").sum().cast(pl.Decimal(20, 2)).alias("quantity"),
            PRICE.sum().cast(pl.Decimal(20, 2)).alias("base_price"),
            revenue,
            CHARGE.sum().cast(pl.Decimal(28, 6)).alias("charge"),
        ),
        "revenue_monthly": lines.group_by(pl.col("l_shipdate").dt.truncate("1mo").alias("month"), "l_shipmode").agg(
            count, revenue
        ),
        "supplier_revenue": lines.group_by("l_suppkey").agg(count, late.alias("late_lines"), revenue),
    }


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
