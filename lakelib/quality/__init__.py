"""Rules over rows: the verdict on each row, and the reasons for it."""

from lakelib.quality.findings import with_findings, with_soundness
from lakelib.quality.flags import broken_unique_rules, with_reference_flags, with_unique_flags
from lakelib.quality.verdicts import (
    ACCEPTED,
    DISPUTED,
    DUPLICATE,
    QUARANTINED,
    SUPERSEDED,
    unsettled_keys,
    with_row_verdicts,
    with_undisputed_verdicts,
    with_verdicts_by_key,
)

__all__ = [
    "ACCEPTED",
    "DISPUTED",
    "DUPLICATE",
    "QUARANTINED",
    "SUPERSEDED",
    "broken_unique_rules",
    "unsettled_keys",
    "with_findings",
    "with_reference_flags",
    "with_row_verdicts",
    "with_soundness",
    "with_undisputed_verdicts",
    "with_unique_flags",
    "with_verdicts_by_key",
]
