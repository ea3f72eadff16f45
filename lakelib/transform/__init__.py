"""Pure verbs over DataFrames: a DataFrame in, a DataFrame out, for `df.transform(verb, …)`."""

from lakelib.transform.casting import cast_to_contract
from lakelib.transform.clocks import with_clock_instant, with_next_clock_instant
from lakelib.transform.dates import calendar_years, with_date_text
from lakelib.transform.deliveries import in_groups_of, newest_delivery
from lakelib.transform.keys import UNKNOWN_SK, with_surrogate_key, with_unknown_member
from lakelib.transform.ratios import ratio
from lakelib.transform.references import changed_reference, with_reference

__all__ = [
    "UNKNOWN_SK",
    "calendar_years",
    "cast_to_contract",
    "changed_reference",
    "in_groups_of",
    "newest_delivery",
    "ratio",
    "with_clock_instant",
    "with_date_text",
    "with_next_clock_instant",
    "with_reference",
    "with_surrogate_key",
    "with_unknown_member",
]
