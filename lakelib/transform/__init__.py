"""Pure verbs over DataFrames: a DataFrame in, a DataFrame out, for `df.transform(verb, …)`."""

from lakelib.transform.casting import cast_to_contract
from lakelib.transform.cleansing import (
    with_lower_case,
    with_match_key,
    with_nulls,
    with_spellings,
    with_trimmed,
    with_upper_case,
)
from lakelib.transform.clocks import with_clock_instant, with_next_clock_instant
from lakelib.transform.dates import calendar_years, with_date_text, with_day_first_dates, with_month_first_dates
from lakelib.transform.deliveries import in_groups_of, newest_delivery, newest_delivery_of_each_day
from lakelib.transform.history import current_versions, history_from_changes, history_from_snapshots
from lakelib.transform.keys import UNKNOWN_SK, with_surrogate_key, with_unknown_member
from lakelib.transform.masters import newest_by_key, surviving_records
from lakelib.transform.ratios import ratio
from lakelib.transform.references import Reference, changed_references, unmatched, with_references

__all__ = [
    "UNKNOWN_SK",
    "Reference",
    "calendar_years",
    "cast_to_contract",
    "changed_references",
    "current_versions",
    "history_from_changes",
    "history_from_snapshots",
    "in_groups_of",
    "newest_by_key",
    "newest_delivery",
    "newest_delivery_of_each_day",
    "ratio",
    "surviving_records",
    "unmatched",
    "with_clock_instant",
    "with_date_text",
    "with_day_first_dates",
    "with_lower_case",
    "with_match_key",
    "with_month_first_dates",
    "with_next_clock_instant",
    "with_nulls",
    "with_references",
    "with_spellings",
    "with_surrogate_key",
    "with_trimmed",
    "with_unknown_member",
    "with_upper_case",
]
