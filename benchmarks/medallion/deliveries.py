"""TPC-H's lineitem as two deliveries: `python deliveries.py SCALE FOLDER` makes `FOLDER/lineitem/lineitem_<day>.csv`.

Runs in the peers' environment. The same scale gives the same bytes: a row's part is told by its key alone.

- Day 1 has 99 % of the rows, and of 5 % of the keys an older version as well.
- Day 2 has a newer version of 10 % of the keys, an older one of a tenth of these, and the 1 % that day 1 lacks.

`l_updated_at` tells versions of a key apart. Older versions come last in the file: its order is no help.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

import duckdb

__all__ = ["DAYS", "deliver"]

DAYS: Final = ("2024-01-01", "2024-01-02")
_SELECT: Final = """
SELECT * REPLACE ({quantity} AS l_quantity, l_extendedprice + {surcharge} AS l_extendedprice),
       TIMESTAMP '{updated_at}' AS l_updated_at
FROM read_parquet('{parquet}')
WHERE (l_orderkey * 2654435761 + l_linenumber * 40503) % 1000 BETWEEN {first} AND {last}
"""


def deliver(scale: str, folder: Path) -> None:
    """Files that are there already are not made again."""
    landing = folder / "lineitem"
    files = [landing / f"lineitem_{day}.csv" for day in DAYS]
    if all(file.exists() for file in files):
        return
    landing.mkdir(parents=True, exist_ok=True)
    tpchgen = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([tpchgen, "parquet", "-s", scale, "--tables=lineitem", f"--output-dir={folder}"], check=True)
    parquet = folder / "lineitem.parquet"
    first, second = files
    _write(first, _as_ordered(parquet, 10, 999), _revised(parquet, "2023-12-31 18:00:00", 3, 10, 59))
    _write(
        second,
        _revised(parquet, "2024-01-02 06:00:00", 2, 10, 109),
        _as_ordered(parquet, 0, 9),
        _revised(parquet, "2024-01-01 18:00:00", 1, 10, 19),
    )
    parquet.unlink()


def _as_ordered(parquet: Path, first: int, last: int) -> str:
    return _SELECT.format(
        quantity="l_quantity",
        surcharge="0",
        updated_at="2024-01-01 06:00:00",
        parquet=parquet,
        first=first,
        last=last,
    )


def _revised(parquet: Path, updated_at: str, version: int, first: int, last: int) -> str:
    """Other amounts for the same keys; a quantity stays within TPC-H's 1 to 50."""
    return _SELECT.format(
        quantity=f"(l_quantity + {version} - 1) % 50 + 1",
        surcharge=f"{version}.25",
        updated_at=updated_at,
        parquet=parquet,
        first=first,
        last=last,
    )


def _write(file: Path, *selects: str) -> None:
    unfinished = file.with_suffix(".tmp")
    rows = " UNION ALL ".join(selects)
    duckdb.execute(f"COPY ({rows}) TO '{unfinished}' (FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S')")
    unfinished.rename(file)


if __name__ == "__main__":
    deliver(sys.argv[1], Path(sys.argv[2]))
