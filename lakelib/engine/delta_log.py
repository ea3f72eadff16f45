"""A Delta table's log, read and begun by delta-rs whichever engine writes the rows: milliseconds, and no job."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from lakelib.engine.nullable import as_nullable
from lakelib.engine.protocol import Commit, Version
from lakelib.errors import CommitConflictError, EngineError, first_line, is_transient

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = [
    "add_missing_columns",
    "create_table",
    "delta_schema",
    "existing_table",
    "file_bounds",
    "find_table",
    "has_transaction",
    "labels",
    "moved_on",
    "newest_version",
    "restore_table",
    "row_count",
    "vacuum_table",
    "version_at",
    "versions",
    "versions_of_run",
    "was_restored",
]

# Characters above it delta-rs takes for others, where the log has them escaped (deltalake 1.6.6).
_LAST_SURE: Final = "\uffff"


def find_table(table: str) -> DeltaTable | None:
    """Raises EngineError where delta-rs can't read the log, so that nobody can say what the table holds."""
    try:
        return DeltaTable(table)
    except TableNotFoundError:
        return None
    except DeltaError as error:
        if is_transient(type(error).__name__, str(error)):
            raise
        raise EngineError(
            f"The Delta table at {table} was to be opened; its log can't be read: {first_line(error)}",
            hint="Where it is damaged, put the folder back from a copy; or move it away, and run what writes it again.",
        ) from error


def existing_table(table: str) -> DeltaTable:
    """Raises EngineError where there is none."""
    opened = find_table(table)
    if opened is None:
        raise EngineError(f"A Delta table was looked for at {table} and there is none.")
    return opened


def create_table(table: str, schema: "StructType", *, commit: Commit) -> None:
    """An empty table, all columns nullable; nothing where there is a table."""
    if find_table(table) is not None:
        return
    Path(table).mkdir(parents=True, exist_ok=True)
    try:
        DeltaTable.create(table, schema=delta_schema(schema), mode="ignore", commit_properties=labels(commit))
    except DeltaError:
        # Another writer may have made it since delta-rs looked.
        if find_table(table) is None:
            raise


def add_missing_columns(table: DeltaTable, schema: "StructType", *, commit: Commit) -> None:
    """Adds the columns of `schema` that the table lacks, nullable; no commit when it has them all."""
    known = {field.name for field in table.schema().fields}
    missing = [field for field in delta_schema(schema).fields if field.name not in known]
    if missing:
        table.alter.add_columns(missing, commit_properties=labels(commit))


def restore_table(table: DeltaTable, *, version: int, commit: Commit) -> int:
    """The table as it was at `version`, as a new version, whose number it returns.

    Raises:
        EngineError: the table has no such version, or not its files any more.
    """
    try:
        table.restore(version, commit_properties=labels(commit))
    except CommitFailedError:
        raise
    except DeltaError as error:
        raise EngineError(
            f"Version {version} of {table.table_uri} was asked for and can't be restored: {error}",
            hint="Look at its versions with `lake history`.",
        ) from error
    table.update_incremental()
    return table.version()


def delta_schema(schema: "StructType") -> Schema:
    """Spark's schema as delta-rs has it, everything nullable."""
    return Schema.from_json(as_nullable(schema).json())


def labels(commit: Commit) -> CommitProperties:
    """The commit's metadata and transaction id, as delta-rs takes them."""
    return CommitProperties(
        custom_metadata={"userMetadata": commit.metadata}, app_transactions=[Transaction(commit.transaction, 1)]
    )


def moved_on(table: str, version: int) -> CommitConflictError:
    """The error for a write that was computed from a version that is not the newest any more."""
    return CommitConflictError(
        f"Version {version} of {table} was to be rewritten; another writer has made a newer one.",
        hint="Nothing of it was changed. Run it again.",
    )


def newest_version(table: str) -> int | None:
    opened = find_table(table)
    return None if opened is None else opened.version()


def has_transaction(table: str, transaction: str) -> bool:
    """Whether a commit with this transaction id is part of the table."""
    return existing_table(table).transaction_version(transaction) is not None


def row_count(table: str, *, version: int) -> int:
    """The rows of a version, from the statistics of its files."""
    return DeltaTable(table, version=version).count()


def file_bounds(table: DeltaTable, columns: Sequence[str]) -> list[dict[str, tuple[Any, Any]]] | None:
    """For each file of the table the least and the greatest value of each column, None twice for nulls alone.

    They are as wide as the log has them. None where a file does not tell, or a column is null in some of its rows:
    other writers leave out a wide table's last columns.
    """
    files = pa.table(table.get_add_actions(flatten=True))
    facts = [f"{fact}.{column}" for column in columns for fact in ("null_count", "min", "max")]
    if "deletionVectors" in (table.protocol().reader_features or ()) or not {*facts} <= {*files.column_names}:
        return None
    told = files.select(["num_records", *facts]).to_pylist()
    if not all(_is_told(file, column) for file in told for column in columns):
        return None
    return [{column: (file[f"min.{column}"], file[f"max.{column}"]) for column in columns} for file in told]


def _is_told(file: Mapping[str, Any], column: str) -> bool:
    nulls, bounds = file[f"null_count.{column}"], {file[f"min.{column}"], file[f"max.{column}"]}
    if any(isinstance(bound, str) and max(bound, default="") > _LAST_SURE for bound in bounds):
        return False
    if nulls == 0:
        return None not in bounds
    return nulls is not None and nulls == file["num_records"] and bounds == {None}


def versions(table: str, *, limit: int | None = None) -> Sequence[Version]:
    """Newest first. Of a commit without metrics, as adoption makes it, the rows of its files are counted."""
    return [_version(_counted(entry, table)) for entry in existing_table(table).history(limit)]


def version_at(table: str, moment: datetime) -> int:
    """The newest version at that moment; -1 where there was none."""
    return max((each.version for each in versions(table) if each.timestamp <= moment), default=-1)


def versions_of_run(table: str, run_id: str) -> list[int]:
    """The versions that the run committed."""
    return [each.version for each in versions(table) if f'"run_id": "{run_id}"' in each.metadata]


def vacuum_table(table: str, *, keep: Sequence[int], keep_days: float, dry_run: bool) -> list[str]:
    """Deletes the files that no version since `keep_days` and none of `keep` needs; their names."""
    return existing_table(table).vacuum(
        retention_hours=int(keep_days * 24),
        dry_run=dry_run,
        enforce_retention_duration=False,
        full=True,
        keep_versions=list(keep) or None,
    )


def was_restored(table: str, *, since: int) -> bool:
    """Whether the table went back to an earlier version after its version `since`."""
    newer = (newest_version(table) or 0) - since
    return newer > 0 and any(version.operation == "RESTORE" for version in versions(table, limit=newer))


def _counted(entry: dict[str, Any], table: str) -> dict[str, Any]:
    file = Path(table, "_delta_log", f"{entry['version']:020}.json")
    if entry.get("operation") != "WRITE" or entry.get("operationMetrics") or not file.is_file():
        return entry
    actions = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
    stats = [json.loads(action["add"].get("stats") or "{}") for action in actions if "add" in action]
    if not all("numRecords" in each for each in stats):
        return entry
    return entry | {"operationMetrics": {"num_added_rows": sum(each["numRecords"] for each in stats)}}


def _version(entry: dict[str, Any]) -> Version:
    operation, parameters = str(entry.get("operation", "")), entry.get("operationParameters") or {}
    return Version(
        version=int(entry["version"]),
        timestamp=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        operation=operation,
        metadata=str(entry.get("userMetadata") or ""),
        metrics={key: str(value) for key, value in (entry.get("operationMetrics") or {}).items()},
        restored=int(parameters["version"]) if operation == "RESTORE" and "version" in parameters else None,
    )
