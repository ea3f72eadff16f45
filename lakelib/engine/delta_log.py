"""What a Delta table's log tells: read by delta-rs whichever engine wrote it, in milliseconds and without a job."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lakelib.engine.protocol import Version
from lakelib.errors import EngineError

__all__ = ["existing_table", "find_table", "has_transaction", "newest_version", "row_count", "versions"]


def find_table(table: str) -> DeltaTable | None:
    try:
        return DeltaTable(table)
    except TableNotFoundError:
        return None


def existing_table(table: str) -> DeltaTable:
    """Raises EngineError where there is none."""
    opened = find_table(table)
    if opened is None:
        raise EngineError(f"A Delta table was looked for at {table} and there is none.")
    return opened


def newest_version(table: str) -> int | None:
    opened = find_table(table)
    return None if opened is None else opened.version()


def has_transaction(table: str, transaction: str) -> bool:
    """Whether a commit with this transaction id is part of the table."""
    return existing_table(table).transaction_version(transaction) is not None


def row_count(table: str, *, version: int) -> int:
    """The rows of a version, from the statistics of its files."""
    return DeltaTable(table, version=version).count()


def versions(table: str, *, limit: int | None = None) -> Sequence[Version]:
    """Newest first."""
    return [_version(entry) for entry in existing_table(table).history(limit)]


def _version(entry: dict[str, Any]) -> Version:
    return Version(
        version=int(entry["version"]),
        timestamp=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        operation=str(entry.get("operation", "")),
        metadata=str(entry.get("userMetadata") or ""),
        metrics={key: str(value) for key, value in (entry.get("operationMetrics") or {}).items()},
    )
