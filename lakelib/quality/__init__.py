"""Rules over rows: findings beside each row, and the verdict that follows from them."""

from lakelib.quality.findings import with_findings
from lakelib.quality.verdicts import (
    ACCEPTED,
    DUPLICATE,
    QUARANTINED,
    SUPERSEDED,
    with_row_verdicts,
    with_verdicts_by_key,
)

__all__ = [
    "ACCEPTED",
    "DUPLICATE",
    "QUARANTINED",
    "SUPERSEDED",
    "with_findings",
    "with_row_verdicts",
    "with_verdicts_by_key",
]
