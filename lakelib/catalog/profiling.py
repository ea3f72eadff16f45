"""What Delta's log already says of a table's rows: their number, the nulls of each column, the bytes.

No data is read. The log also has each column's least and greatest value: these are data, and stay where they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from lakelib.engine.delta_log import find_table

__all__ = ["Profile", "profile_at", "profile_of"]

_TOLD: Final = ("num_records", "size_bytes")
_NULLS: Final = "null_count."


@dataclass(frozen=True)
class Profile:
    """`nulls` has the columns that all files have counts of."""

    rows: int
    columns: int
    size: int
    nulls: Mapping[str, int]


def profile_of(table: str, *, version: int) -> Profile | None:
    """None where the table has a newer version, or its log does not know the rows (deletion vectors, other writers)."""
    opened = find_table(table)
    if opened is None or opened.version() != version:
        return None
    if "deletionVectors" in (opened.protocol().reader_features or ()):
        return None
    files: dict[str, list[Any]] = pa.table(opened.get_add_actions(flatten=True)).to_pydict()
    told = {name: n for name, n in files.items() if name in _TOLD or name.startswith(_NULLS)}
    sums = {name: sum(numbers) for name, numbers in told.items() if None not in numbers}
    if "num_records" not in sums:
        return None
    return Profile(
        rows=sums["num_records"],
        columns=len(opened.schema().fields),
        size=sums["size_bytes"],
        nulls={name.removeprefix(_NULLS): number for name, number in sums.items() if name.startswith(_NULLS)},
    )


def profile_at(profile: Profile, at: datetime) -> Any:
    """As DataHub's aspect, of that moment."""
    from datahub.metadata import schema_classes as models

    fields = [
        models.DatasetFieldProfileClass(name, nullCount=nulls, nullProportion=nulls / profile.rows)
        for name, nulls in sorted(profile.nulls.items())
        if profile.rows
    ]
    return models.DatasetProfileClass(
        timestampMillis=int(at.timestamp() * 1000),
        rowCount=profile.rows,
        columnCount=profile.columns,
        sizeInBytes=profile.size,
        fieldProfiles=fields,
    )
