"""The line by LakeLogic's contracts on Polars: `python lakelogic_polars.py LANDING LAKE DAY`, a process a day.

As its documentation says: a contract a table, run by `DataProcessor` and materialized to Delta. It checks the rules
that our contracts have. What it can't do, and what stands here or in its contracts instead:

- It has no notion of a delivery's day: which rows of bronze are new is told by its `_lakelogic_source`.
- Its merge replaces a row whatever its age. Deliveries have to come in the order of their days.
- Its decimals are Polars', which rounds a product to the greater scale of its factors: hence the contracts' casts.
- It holds all rows in memory at once.
"""

import sys
from pathlib import Path
from typing import Any, Final

import polars as pl
from lakelogic import DataProcessor

CONTRACTS: Final = Path(__file__).with_name("lakelogic_contracts")
GOLD: Final = ("pricing_summary", "revenue_monthly", "supplier_revenue")


def run(landing: Path, lake: Path, day: str) -> None:
    delivery = landing / f"lineitem/lineitem_{day}.csv"
    bronze = DataProcessor(CONTRACTS / "bronze_lineitem.yml", engine="polars")
    materialize(bronze, bronze.run_source(delivery), lake / "bronze" / "lineitem")
    delivered = pl.scan_delta(lake / "bronze" / "lineitem").filter(
        pl.col("_lakelogic_source") == str(delivery.resolve())
    )
    apply("silver_lineitem", delivered.select(pl.col("^l_.*$")).collect(), lake / "silver" / "lineitem")
    lines = pl.scan_delta(lake / "silver" / "lineitem").select(pl.col("^l_.*$")).collect()
    for table in GOLD:
        apply(f"gold_{table}", lines, lake / "gold" / table)


def apply(contract: str, rows: pl.DataFrame, target: Path) -> None:
    processor = DataProcessor(CONTRACTS / f"{contract}.yml", engine="polars")
    materialize(processor, processor.run(rows), target)


def materialize(processor: DataProcessor, checked: Any, target: Path) -> None:
    processor.materialize(checked.good, checked.bad, target_path=target)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
