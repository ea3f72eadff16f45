"""The line in DuckDB, its tables written by delta-rs: `python duckdb_deltars.py LANDING LAKE DAY`, a process a day.

Everything streams: DuckDB hands record batches to delta-rs, and reads a table's Parquet files itself. Checks no rules.
"""

import sys
from pathlib import Path
from typing import Final

import duckdb
from deltalake import DeltaTable, write_deltalake

KEY: Final = "t.l_orderkey = s.l_orderkey AND t.l_linenumber = s.l_linenumber"
TYPED: Final = """
SELECT l_orderkey::BIGINT AS l_orderkey, l_linenumber::INTEGER AS l_linenumber, l_partkey::BIGINT AS l_partkey,
       l_suppkey::BIGINT AS l_suppkey, l_quantity::DECIMAL(12,2) AS l_quantity,
       l_extendedprice::DECIMAL(12,2) AS l_extendedprice, l_discount::DECIMAL(4,2) AS l_discount,
       l_tax::DECIMAL(4,2) AS l_tax, l_returnflag, l_linestatus, l_shipdate::DATE AS l_shipdate,
       l_commitdate::DATE AS l_commitdate, l_receiptdate::DATE AS l_receiptdate, l_shipinstruct, l_shipmode, l_comment,
       l_updated_at::TIMESTAMPTZ AS l_updated_at
FROM delivered
QUALIFY row_number() OVER (PARTITION BY l_orderkey, l_linenumber ORDER BY l_updated_at DESC) = 1
"""
GOLD: Final = {
    "pricing_summary": """
        SELECT l_returnflag, l_linestatus, count(*) AS lines, sum(l_quantity)::DECIMAL(20,2) AS quantity,
               sum(l_extendedprice)::DECIMAL(20,2) AS base_price,
               sum(l_extendedprice * (1 - l_discount))::DECIMAL(24,4) AS revenue,
               sum(l_extendedprice * (1 - l_discount) * (1 + l_tax))::DECIMAL(28,6) AS charge
        FROM lines GROUP BY ALL""",
    "revenue_monthly": """
        SELECT date_trunc('month', l_shipdate)::DATE AS month, l_shipmode, count(*) AS lines,
               sum(l_extendedprice * (1 - l_discount))::DECIMAL(24,4) AS revenue
        FROM lines GROUP BY ALL""",
    "supplier_revenue": """
        SELECT l_suppkey, count(*) AS lines, count(*) FILTER (l_receiptdate > l_commitdate) AS late_lines,
               sum(l_extendedprice * (1 - l_discount))::DECIMAL(24,4) AS revenue
        FROM lines GROUP BY ALL""",
}


def run(landing: Path, lake: Path, day: str) -> None:
    con = duckdb.connect()
    con.sql("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    name = f"lineitem/lineitem_{day}.csv"
    bronze, silver = lake / "bronze" / "lineitem", lake / "silver" / "lineitem"
    delivery = con.sql(
        f"SELECT *, '{name}' AS _source_file, DATE '{day}' AS _delivered_on "
        f"FROM read_csv('{landing / name}', header = true, all_varchar = true)"
    )
    write_deltalake(bronze, delivery.to_arrow_reader(), mode="append")
    view(con, "delivered", bronze, where=f"_delivered_on = DATE '{day}'")
    newest = con.sql(TYPED)
    if DeltaTable.is_deltatable(str(silver)):
        merge(newest, DeltaTable(silver))
    else:
        write_deltalake(silver, newest.to_arrow_reader())
    view(con, "lines", silver, where="true")
    for table, query in GOLD.items():
        write_deltalake(lake / "gold" / table, con.sql(query).to_arrow_reader(), mode="overwrite")


def merge(rows: duckdb.DuckDBPyRelation, table: DeltaTable) -> None:
    (
        table.merge(rows.to_arrow_reader(), predicate=KEY, source_alias="s", target_alias="t")
        .when_matched_update_all(predicate="s.l_updated_at > t.l_updated_at")
        .when_not_matched_insert_all()
        .execute()
    )


def view(con: duckdb.DuckDBPyConnection, name: str, table: Path, *, where: str) -> None:
    files = DeltaTable(table).file_uris()
    con.sql(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files}) WHERE {where}")


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
