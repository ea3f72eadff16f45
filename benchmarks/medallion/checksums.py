"""What a competitor's lake holds, in numbers that must be equal for all, as JSON: `python checksums.py LAKE`.

Runs in the peers' environment, on the tables' Parquet files as delta-rs lists them.
"""

import json
import sys
from pathlib import Path
from typing import Final

import duckdb
from deltalake import DeltaTable

__all__ = ["checksums"]

_AMOUNT: Final = "DECIMAL(38,6)"
_TABLES: Final = {
    "silver/lineitem": {
        "l_orderkey": "BIGINT",
        "l_linenumber": "BIGINT",
        "l_partkey": "BIGINT",
        "l_suppkey": "BIGINT",
        "l_quantity": _AMOUNT,
        "l_extendedprice": _AMOUNT,
        "l_discount": _AMOUNT,
        "l_tax": _AMOUNT,
        "l_returnflag": "VARCHAR",
        "l_linestatus": "VARCHAR",
        "l_shipdate": "DATE",
        "l_commitdate": "DATE",
        "l_receiptdate": "DATE",
        "l_shipinstruct": "VARCHAR",
        "l_shipmode": "VARCHAR",
        "l_comment": "VARCHAR",
        "l_updated_at": "TIMESTAMP",
    },
    "gold/pricing_summary": {
        "l_returnflag": "VARCHAR",
        "l_linestatus": "VARCHAR",
        "lines": "BIGINT",
        "quantity": _AMOUNT,
        "base_price": _AMOUNT,
        "revenue": _AMOUNT,
        "charge": _AMOUNT,
    },
    "gold/revenue_monthly": {"month": "DATE", "l_shipmode": "VARCHAR", "lines": "BIGINT", "revenue": _AMOUNT},
    "gold/supplier_revenue": {
        "l_suppkey": "BIGINT",
        "lines": "BIGINT",
        "late_lines": "BIGINT",
        "revenue": _AMOUNT,
    },
}


def checksums(lake: Path) -> dict[str, dict[str, str]]:
    """By table: the rows, the exact sum of each amount, and the sum of all rows' hashes, which no order changes."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    return {table: _checksum(con, lake / table, columns) for table, columns in _TABLES.items()}


def _checksum(con: duckdb.DuckDBPyConnection, table: Path, columns: dict[str, str]) -> dict[str, str]:
    files = DeltaTable(table).file_uris()
    cast = ", ".join(f"{name}::{kind} AS {name}" for name, kind in columns.items())
    sums = [f"sum({name}) AS {name}" for name, kind in columns.items() if kind == _AMOUNT]
    found = con.sql(
        f"SELECT count(*) AS rows, {', '.join(sums)}, sum(hash({', '.join(columns)})::HUGEINT) AS hashes "
        f"FROM (SELECT {cast} FROM read_parquet({files}))"
    )
    return dict(zip(found.columns, map(str, found.fetchall()[0]), strict=True))


if __name__ == "__main__":
    json.dump(checksums(Path(sys.argv[1])), sys.stdout)
