"""The lake's tables, read by delta-rs alone, against the answers in data/oracles."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from deltalake import DeltaTable

ORACLES = Path(__file__).parents[2] / "data" / "oracles"
COUNTS = ["flights", "departed", "cancelled", "completed", "arr_on_time", "dep_on_time"]
RATES = ["cancel_rate_pct", "a15_pct", "d15_pct", "mean_dep_delay_min", "mean_arr_delay_min"]

TABLES = [
    "silver.flights",
    "silver.airports",
    "silver.carriers",
    "gold.dim_date",
    "gold.dim_airport",
    "gold.dim_carrier",
    "gold.fct_flights",
    "gold.kpi_carrier_monthly",
    "gold.kpi_origin_daily",
]


def mismatches(warehouse: Path, checkpoint: str) -> list[str]:
    """What differs from the oracle of the checkpoint (day_007, …), in words; empty when nothing does."""
    oracle = json.loads((ORACLES / f"{checkpoint}.json").read_text())
    found, expected = dict(_found(warehouse, oracle)), dict(_expected(oracle))
    return [
        f"{what}: found {found.get(what)}, expected {value}"
        for what, value in expected.items()
        if found.get(what) != value
    ]


def rows(warehouse: Path, table: str) -> pd.DataFrame:
    layer, name = table.split(".")
    return DeltaTable(str(warehouse / layer / name)).to_pandas()


def content(warehouse: Path, table: str) -> pd.DataFrame:
    """The rows in an order of their own, without the columns that tell one run from another."""
    frame = rows(warehouse, table).drop(columns=["_run_id", "_updated_at"])
    return frame.sort_values(list(frame.columns[:4])).reset_index(drop=True)


def _found(warehouse: Path, oracle: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    flights, facts = rows(warehouse, "silver.flights"), rows(warehouse, "gold.fct_flights")
    for table in ("flights", "airports"):
        yield f"bronze.{table}", len(rows(warehouse, f"bronze.{table}"))
    yield "silver.flights", len(flights)
    yield "superseded", len(rows(warehouse, "bronze.flights")) - len(flights)
    yield "silver.airports", len(rows(warehouse, "silver.airports"))
    yield "silver.carriers", len(rows(warehouse, "silver.carriers"))
    yield from _states(flights, facts, is_final=oracle["checkpoint"] == "final")
    yield from _kpis(rows(warehouse, "gold.kpi_carrier_monthly"), rows(warehouse, "gold.kpi_origin_daily"))


def _states(flights: pd.DataFrame, facts: pd.DataFrame, *, is_final: bool) -> Iterator[tuple[str, Any]]:
    is_last_day = (flights["flight_date"] == flights["flight_date"].max()) & (not is_final)
    cancelled = flights["dep_time"].isna()
    yield "cancelled", int((flights["status"] == "cancelled").sum())
    yield "cancelled_confirmed", int((cancelled & ~is_last_day).sum())
    yield "departed_without_arr_time", int((~cancelled & flights["arr_time"].isna()).sum())
    yield "arrived_without_arr_delay", int((flights["arr_time"].notna() & flights["arr_delay"].isna()).sum())
    yield "diverted_confirmed", int(((flights["status"] == "diverted") & ~is_last_day).sum())
    yield "completed", int((flights["status"] == "completed").sum())
    departed = flights["departed_at"].notna() & flights["arrived_at"].notna()
    minutes = (flights["arrived_at"] - flights["departed_at"]).dt.total_seconds() / 60
    yield "gate_to_gate_below_air_time", int((departed & (minutes < flights["air_time"])).sum())
    unknown = facts[facts["dest_airport_sk"] == -1]
    yield "dest_without_airport", {"rows": len(unknown), "dests": unknown["dest"].nunique()}
    yield "hhmm_2400", int(((flights["dep_time"] == 2400) | (flights["arr_time"] == 2400)).sum())


def _kpis(monthly: pd.DataFrame, daily: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    for row in monthly.to_dict("records"):
        yield f"{row['carrier']} {row['month'].month}", _values(row)
    by_origin = daily.groupby("origin")[COUNTS].sum()
    for origin, counts in by_origin.iterrows():
        yield f"{origin}", [int(counts[name]) for name in COUNTS]
    worst = daily.groupby("flight_date")[COUNTS].sum().reset_index()
    for row in worst.to_dict("records"):
        yield f"cancelled on {row['flight_date']}", row["cancelled"]


def _expected(oracle: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    states, silver = oracle["flight_states"], oracle["silver_rows"]
    yield "bronze.flights", oracle["bronze_rows"]["flights"]
    yield "bronze.airports", oracle["bronze_rows"]["airports"]
    yield "silver.flights", silver["flights"]
    yield "superseded", silver["flight_rows_superseded"]
    yield "silver.airports", silver["airports_current"]
    yield "silver.carriers", 16
    yield "cancelled", states["dep_time_null"]
    for name in ("cancelled_confirmed", "departed_without_arr_time", "arrived_without_arr_delay"):
        yield name, states[name]
    yield "diverted_confirmed", states["diverted_or_incomplete_confirmed"]
    yield "completed", oracle["kpi"]["overall"][0]["completed"]
    yield "gate_to_gate_below_air_time", oracle["rules"]["gate_to_gate_below_air_time"]
    yield "dest_without_airport", oracle["rules"]["dest_without_airport"]
    yield "hhmm_2400", oracle["rules"]["hhmm_2400"]["rows"]
    for group in oracle["kpi"]["by_carrier_month"]:
        yield f"{group['carrier']} {group['month']}", _values(group)
    for group in oracle["kpi"]["by_origin"]:
        yield group["origin"], [group[name] for name in COUNTS]
    for day in oracle["kpi"].get("worst_days", {}).get("most_cancelled", []):
        yield f"cancelled on {day['date']}", day["cancelled"]


def _values(row: dict[str, Any]) -> list[Any]:
    """Counts, then rates; a missing rate is None whether it came as null or NaN."""
    rates = [None if row[name] is None or pd.isna(row[name]) else row[name] for name in RATES]
    return [*(int(row[name]) for name in COUNTS), *rates]
