"""The names of a delivery's columns, matched with those its table expects."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lakelib.errors import DeliveryRefusedError, closest_name

__all__ = ["PLATFORM_COLUMNS", "Columns", "Expected", "storable_name"]

PLATFORM_COLUMNS: Final = (
    "_corrupt_record",
    "_source_file",
    "_source_row",
    "_source_sha256",
    "_delivered_on",
    "_ingested_at",
    "_run_id",
)
MOST_COLUMNS: Final = 10_000
_NOT_STORABLE: Final = re.compile(r"[ ,;{}()\n\t=\0]")


def storable_name(name: str) -> str:
    """The name as Delta can hold it: an underscore for each blank and each of `,;{}()=`, tab, line feed and NUL."""
    return _NOT_STORABLE.sub("_", name) or "unnamed"


@dataclass(frozen=True)
class Expected:
    """What a table expects of a delivery's columns: their names, and for formats that have types, which ones.

    `former_names`: a name that a column may still be delivered under, and the column's own.
    """

    required: Sequence[str] = ()
    optional: Sequence[str] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    former_names: Mapping[str, str] = field(default_factory=dict)


class Columns:
    """The columns of one delivery, in the order required, optional, then those nobody expects, as they are found."""

    def __init__(self, expected: Expected) -> None:
        self.required = tuple(expected.required)
        self._renamed = {storable_name(former).lower(): name for former, name in expected.former_names.items()}
        self._names = {name.lower(): name for name in (*expected.required, *expected.optional)}
        self._expected = frozenset(self._names)
        self._delivered: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names.values())

    @property
    def drift(self) -> tuple[str, ...]:
        """Columns delivered and neither required nor optional."""
        return self.names[len(self._expected) :]

    @property
    def delivered(self) -> tuple[str, ...]:
        """Those that were there, in the order they were found."""
        return tuple(self._names[key] for key in self._delivered)

    @property
    def is_any_delivered(self) -> bool:
        return bool(self._delivered)

    def admit(self, delivered: Iterable[str]) -> list[str]:
        """The columns' names for the delivered ones, which are distinct within the call or refused.

        Delta takes upper and lower case as the same, so `DATE` is the expected column `date`.

        Raises:
            DeliveryRefusedError: SCHEMA_DUPLICATE_COLUMN when two delivered names would be one column;
                SCHEMA_RESERVED_COLUMN for a name the platform uses; SCHEMA_TOO_WIDE for more than 10,000 columns.
        """
        seen: set[str] = set()
        names = [self._admit(name, seen) for name in delivered]
        if len(self._names) > MOST_COLUMNS:
            raise DeliveryRefusedError(
                f"at most {MOST_COLUMNS:,} columns were expected; found {len(self._names):,}",
                hint="Are values used as keys? Deliver them as rows.",
                reason="SCHEMA_TOO_WIDE",
            )
        return names

    def check_required(self, names: Sequence[str]) -> None:
        """Raises DeliveryRefusedError, SCHEMA_MISSING_COLUMN, when a required column is not among the names."""
        unexpected = [name for name in names if name.lower() not in self._expected]
        missing = [name for name in self.required if name not in names]
        if missing:
            raise DeliveryRefusedError(
                f"the columns {', '.join(missing)} were expected and are missing; found: {', '.join(names)}",
                hint=_renaming_hint(missing, unexpected),
                reason="SCHEMA_MISSING_COLUMN",
            )

    def _admit(self, delivered: str, seen: set[str]) -> str:
        name = storable_name(delivered)
        name = self._renamed.get(name.lower(), name)
        key = name.lower()
        if key in PLATFORM_COLUMNS:
            raise DeliveryRefusedError(
                f"the delivered column {delivered!r} has a name that the platform gives to its own columns",
                hint=f"Rename it at the source; taken are {', '.join(PLATFORM_COLUMNS)}.",
                reason="SCHEMA_RESERVED_COLUMN",
            )
        earlier = self._delivered.setdefault(key, delivered)
        if key in seen or earlier != delivered:
            raise _duplicate(delivered, earlier)
        seen.add(key)
        return self._names.setdefault(key, name)


def _duplicate(delivered: str, other: str) -> DeliveryRefusedError:
    found = f"{delivered!r} twice" if delivered == other else f"{delivered!r} beside {other!r}"
    return DeliveryRefusedError(
        f"distinct column names were expected; found {found}",
        hint="Names that differ only in case, or in characters Delta can't hold, are one column: rename one.",
        reason="SCHEMA_DUPLICATE_COLUMN",
    )


def _renaming_hint(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    renamed, left = [], list(unexpected)
    for name in missing:
        if found := closest_name(name, left):
            renamed.append(f"{name} may have become {found}")
            left.remove(found)
    if renamed:
        return f"{'; '.join(renamed)}. Rename at the source, or name it among the column's formerNames in the contract."
    return "Deliver the file with all its columns, or set the columns' property mayBeAbsent in the contract."
