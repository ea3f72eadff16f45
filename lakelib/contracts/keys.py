"""Which columns of some rows could be their key."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import prod
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["candidate_keys"]

_MOST_COLUMNS: Final = 3
_MOST_COMBINED: Final = 12  # columns: 66 pairs and 220 triples
_ENDINGS: Final = ("id", "key", "code", "no", "nr", "number")


def candidate_keys(rows: pa.Table, *, among: Sequence[str], within: str | None = None) -> list[tuple[str, ...]]:
    """The smallest sets of the columns `among`, at most three, whose values are there together once, and never null.

    Of single columns those come first that are named like keys; of sets, those of columns with few values, which tell
    things rather than measure them. Equal rows count once. `within` names a column that tells deliveries apart: a key
    may come again in another one.
    """
    if rows.num_rows == 0:
        return []
    apart = [within] if within else []
    distinct = _distinct(rows, [*among, *apart])
    told = [name for name in among if rows[name].null_count == 0]
    for size in range(1, _MOST_COLUMNS + 1):
        chosen = told if size == 1 else told[:_MOST_COMBINED]
        found = [names for names in combinations(chosen, size) if _is_key(distinct, [*names, *apart])]
        if found:
            values = {name: pc.count_distinct(rows[name]).as_py() for name in chosen}
            return sorted(found, key=lambda names: (prod(values[name] for name in names), not _is_named_so(names[0])))
    return []


def _is_named_so(name: str) -> bool:
    return name.lower().endswith(_ENDINGS)


def _is_key(rows: pa.Table, names: Sequence[str]) -> bool:
    """Where the first rows show that it is none, the others are not looked at."""
    return all(_distinct(part, names).num_rows == part.num_rows for part in _looks(rows))


def _looks(rows: pa.Table) -> Iterator[pa.Table]:
    yield rows.slice(0, 1000)
    yield rows


def _distinct(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    return rows.select(list(names)).group_by(list(names)).aggregate([])
