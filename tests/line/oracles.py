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

SUMS = [*COUNTS, "sum_dep_delay", "sum_arr_delay"]
GROUPS = {
    "overall": [],
    "by_month": ["month"],
    "by_carrier": ["carrier"],
    "by_origin": ["origin"],
    "by_carrier_month": ["carrier", "month"],
}
SEAT_MILES = ["asm_first_fleet", "asm_latest_known", "asm_as_of"]

TABLES = [
    "silver.airports",
    "silver.carriers",
    "silver.flights",
    "silver.planes",
    "silver.time_zones",
    "silver.weather",
    "gold.dim_aircraft",
    "gold.dim_airport",
    "gold.dim_carrier",
    "gold.dim_date",
    "gold.fct_flights",
    "gold.kpi_carrier_monthly",
    "gold.kpi_origin_daily",
    "gold.mart_airport_hourly",
    "gold.mart_fleet_monthly",
    "gold.mart_network_daily",
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


def _count(warehouse: Path, table: str) -> int:
    """From the log alone: reading a year's text takes longer than to load it."""
    layer, name = table.split(".")
    return DeltaTable(str(warehouse / layer / name)).count()


def content(warehouse: Path, table: str) -> pd.DataFrame:
    """The rows in an order of their own, without the columns that tell one run from another."""
    frame = rows(warehouse, table).drop(columns=["_run_id", "_updated_at"])
    order = [*frame.columns[:4], *({"_valid_from"} & set(frame.columns))]
    return frame.sort_values(order).reset_index(drop=True)


def snapshot_counts(history: pd.DataFrame, key: str) -> dict[str, dict[str, int]]:
    """What each snapshot did to the versions, as data/oracles/scd2.json tells it."""
    versions = history.sort_values([key, "_valid_from"])
    before = versions.groupby(key)["_valid_to"].shift()
    is_new = ~versions.duplicated(key)
    counts, opened, closed = {}, 0, 0
    for day in sorted(versions["_valid_from"].unique()):
        opens, closes = versions["_valid_from"] == day, int((versions["_valid_to"] == day).sum())
        changed = int((opens & (before == day)).sum())
        opened, closed = opened + int(opens.sum()), closed + closes
        counts[str(day)] = {
            "current": opened - closed,
            "new": int((opens & is_new).sum()),
            "reappeared": int((opens & ~is_new & (before != day)).sum()),
            "changed": changed,
            "disappeared": closes - changed,
            "versions_total": opened,
            "versions_closed": closed,
        }
    return counts


def restatement(first: pd.DataFrame, restated: pd.DataFrame, key: list[str]) -> dict[str, int]:
    """What the restated rows do to the first ones by a key, as data/oracles/weather_restatement.json tells it."""
    values = [name for name in first.columns if name not in ("origin", "year", "month", "day", "hour", "time_hour")]
    compared = [*values, "time_hour"] if "time_hour" not in key else values
    newest = restated.drop_duplicates(key, keep="last")
    pairs = first.merge(newest, on=key, how="outer", suffixes=("", "_restated"), indicator=True)
    both = pairs[pairs["_merge"] == "both"]
    differs = {name: ~same(both[name], both[f"{name}_restated"]) for name in compared}
    return {
        "matched_pairs": len(both),
        "first_delivery_only": int((pairs["_merge"] == "left_only").sum()),
        "restated_only": len(restated) - len(both),
        "matched_pairs_with_changed_values": int(pd.concat(differs, axis=1).any(axis=1).sum()),
        "restated_duplicate_keys": len(restated) - len(newest),
        "by_column": {name: int(differs[name].sum()) for name in values},
    }


def same(left: pd.Series, right: pd.Series) -> pd.Series:
    """Value for value; a missing one is a value."""
    return (left == right) | (left.isna() & right.isna())


def _found(warehouse: Path, oracle: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    flights, facts = rows(warehouse, "silver.flights"), rows(warehouse, "gold.fct_flights")
    for table in ("flights", "airports", "weather", "planes"):
        yield f"bronze.{table}", _count(warehouse, f"bronze.{table}")
    yield "silver.flights", len(flights)
    yield "superseded", _count(warehouse, "bronze.flights") - len(flights)
    for table in ("airports", "planes"):
        versions = rows(warehouse, f"silver.{table}")
        yield f"silver.{table}", int(versions["_is_current"].sum())
    yield "planes ever seen", versions["tailnum"].nunique()
    yield "silver.carriers", len(rows(warehouse, "silver.carriers"))
    yield from _zones(rows(warehouse, "silver.time_zones"))
    yield from _states(flights, facts, is_final=oracle["checkpoint"] == "final")
    yield from _rules(flights)
    yield from _fleet_rules(facts, rows(warehouse, "gold.dim_aircraft"))
    yield from _weather(rows(warehouse, "silver.weather"), rows(warehouse, "gold.mart_airport_hourly"))
    yield from _kpis(rows(warehouse, "gold.kpi_carrier_monthly"), rows(warehouse, "gold.kpi_origin_daily"))
    yield from _network(rows(warehouse, "gold.mart_network_daily"))
    yield from _seat_miles(rows(warehouse, "gold.mart_fleet_monthly"))
    yield from _fact_sums(facts)


def _zones(periods: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    yield "timezone_elements", periods["zone"].nunique()
    yield "usesMetazone_elements", len(periods)
    yield "usesMetazone_with_from_or_to", int((periods["used_from"].notna() | periods["used_to"].notna()).sum())


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


def _rules(flights: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    yield "tailnum_null", int(flights["tailnum"].isna().sum())
    yield "tailnum_null_not_cancelled", int((flights["tailnum"].isna() & flights["dep_time"].notna()).sum())
    yield "arr_time_before_dep_time_naive", int((flights["arr_time"] < flights["dep_time"]).sum())
    yield "speed_over_600_mph", int((flights["distance"] / (flights["air_time"] / 60) > 600).sum())
    yield "origin_equals_dest_or_new_york_hop", int(flights["dest"].isin(["EWR", "JFK", "LGA"]).sum())
    with_tail = flights[flights["tailnum"].notna()]
    for name, frame, key in (
        ("trap_key_day_carrier_flight", flights, ["flight_date", "carrier", "flight"]),
        ("trap_key_day_sched_tailnum", with_tail, ["flight_date", "sched_dep_time", "tailnum"]),
    ):
        surplus = frame[frame.duplicated(key)]
        yield name, {"keys": len(surplus[key].drop_duplicates()), "surplus_rows": len(surplus)}


def _fleet_rules(facts: pd.DataFrame, aircraft: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    with_tail = facts[facts["tailnum"].notna()]
    first_fleet = aircraft[aircraft["valid_from"] == aircraft["valid_from"].dropna().min()]["tailnum"]
    for name, is_unknown in (
        ("tailnum_without_plane_first_fleet", ~with_tail["tailnum"].isin(first_fleet)),
        ("tailnum_without_plane_any_loaded_fleet", with_tail["aircraft_sk"] == -1),
    ):
        yield name, {"rows": int(is_unknown.sum()), "tailnums": with_tail[is_unknown]["tailnum"].nunique()}


def _weather(weather: pd.DataFrame, hours: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    yield "silver.weather", len(weather)
    yield "wind_speed_over_200", int((weather["wind_speed"] > 200).sum())
    for name in ("wind_gust", "wind_dir", "pressure"):
        yield f"{name}_null", int(weather[name].isna().sum())
    yield "precip_sum_in", round(weather["precip"].sum(), 2)
    yield "flights_without_weather", int(hours[~hours["is_weather_known"]]["flights"].sum())


_TOLD_OF_WORST = {
    "most_cancelled": ["flights", "cancelled", "cancel_rate_pct"],
    "lowest_a15": ["completed", "arr_on_time", "a15_pct"],
    "highest_mean_dep_delay": ["departed", "mean_dep_delay_min"],
}


def _network(days: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    days = days.assign(day=days["flight_date"].astype(str), a15=days["arr_on_time"] / days["completed"])
    landed = days[days["completed"] > 0]
    for name, ranked in (
        ("most_cancelled", days.sort_values(["cancelled", "day"], ascending=[False, True])),
        ("lowest_a15", landed.sort_values(["a15", "day"])),
        ("highest_mean_dep_delay", landed.sort_values(["mean_dep_delay_min", "day"], ascending=[False, True])),
    ):
        yield name, ranked[["day", *_TOLD_OF_WORST[name]]].head(5).to_dict("records")


def _seat_miles(fleet: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    fleet = fleet.assign(month=[day.month for day in fleet["month"]])
    yield from _sums("seat miles", fleet, SEAT_MILES)


def _fact_sums(facts: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    """What departments sum up themselves: facts add up as the indicators do."""
    flags = {name: facts[f"is_{name}"] for name in ("departed", "cancelled", "completed", "arr_on_time", "dep_on_time")}
    delays = {
        "sum_dep_delay": facts["dep_delay_min"],
        "sum_arr_delay": facts["arr_delay_min"].where(facts["is_completed"]),
    }
    months = [day.month for day in facts["flight_date"]]
    counted = facts[["carrier", "origin"]].assign(flights=1, month=months, **flags, **delays)
    yield from _sums("facts", counted, SUMS)


def _sums(what: str, frame: pd.DataFrame, names: list[str]) -> Iterator[tuple[str, Any]]:
    for group, by in GROUPS.items():
        for key, sums in frame.groupby(by or (lambda _: 0))[names].sum().iterrows():
            label = [] if not by else list(key) if isinstance(key, tuple) else [key]
            yield f"{what} {group} {label}", [int(value) for value in sums]


def _kpis(monthly: pd.DataFrame, daily: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    for row in monthly.to_dict("records"):
        yield f"{row['carrier']} {row['month'].month}", _values(row)
    by_origin = daily.groupby("origin")[COUNTS].sum()
    for origin, counts in by_origin.iterrows():
        yield f"{origin}", [int(counts[name]) for name in COUNTS]


def _expected(oracle: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    states, silver, bronze, rules = (oracle[each] for each in ("flight_states", "silver_rows", "bronze_rows", "rules"))
    for table in ("flights", "airports", "planes"):
        yield f"bronze.{table}", bronze[table]
    yield "bronze.weather", bronze["weather"] + bronze["weather_restated"]
    yield "silver.flights", silver["flights"]
    yield "superseded", silver["flight_rows_superseded"]
    yield "silver.airports", silver["airports_current"]
    yield "silver.planes", silver["planes_current"]
    yield "planes ever seen", silver["planes_ever_seen"]
    yield "silver.weather", silver["weather"]
    yield from _expected_references()
    yield "cancelled", states["dep_time_null"]
    for name in ("cancelled_confirmed", "departed_without_arr_time", "arrived_without_arr_delay"):
        yield name, states[name]
    yield "diverted_confirmed", states["diverted_or_incomplete_confirmed"]
    yield "completed", oracle["kpi"]["overall"][0]["completed"]
    yield "hhmm_2400", rules["hhmm_2400"]["rows"]
    yield from ((name, value) for name, value in rules.items() if name != "hhmm_2400")
    yield from ((name, value) for name, value in oracle["weather"].items() if name != "trap_key_label_duplicates")
    yield from _expected_kpis(oracle["kpi"])
    for name, days in oracle["worst_days"].items():
        yield name, days


def _expected_references() -> Iterator[tuple[str, Any]]:
    told = json.loads((ORACLES / "reference.json").read_text())
    yield "silver.carriers", told["carriers_rows"]
    yield from ((name, value) for name, value in told["timezones"].items() if name != "mapZone_elements")


def _expected_kpis(kpi: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for group in kpi["by_carrier_month"]:
        yield f"{group['carrier']} {group['month']}", _values(group)
    for group in kpi["by_origin"]:
        yield group["origin"], [group[name] for name in COUNTS]
    for name, by in GROUPS.items():
        for group in kpi[name]:
            label = [group[each] for each in by]
            yield f"seat miles {name} {label}", [group[each] for each in SEAT_MILES]
            yield f"facts {name} {label}", [group[each] for each in SUMS]


def _values(row: dict[str, Any]) -> list[Any]:
    """Counts, then rates; a missing rate is None whether it came as null or NaN."""
    rates = [None if row[name] is None or pd.isna(row[name]) else row[name] for name in RATES]
    return [*(int(row[name]) for name in COUNTS), *rates]
