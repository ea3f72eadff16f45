"""Delta's statements in Spark's SQL, over tables addressed by their path."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakelib.engine.protocol import Merge

if TYPE_CHECKING:
    from pyspark.sql.types import StructField

__all__ = ["add_columns_sql", "changes_sql", "merge_sql", "restore_sql", "table_sql"]


def table_sql(table: str) -> str:
    """The table by its path."""
    return f"delta.{_quoted(table)}"


def add_columns_sql(table: str, columns: "Sequence[StructField]") -> str:
    return f"ALTER TABLE {table_sql(table)} ADD COLUMNS ({_columns(columns)})"


def restore_sql(table: str, *, version: int) -> str:
    return f"RESTORE TABLE {table_sql(table)} TO VERSION AS OF {version}"


def merge_sql(staged_view: str, table: str, *, merge: Merge) -> str:
    """The staged view holds exactly the target's columns."""
    deletion = " WHEN NOT MATCHED BY SOURCE THEN DELETE" if merge.is_deleting_missing else ""
    return (
        f"MERGE INTO {table_sql(table)} AS t USING {staged_view} AS s ON {merge.on}"
        f" WHEN MATCHED AND ({merge.update_when}) THEN UPDATE SET *"
        f" WHEN NOT MATCHED THEN INSERT *{deletion}"
    )


def changes_sql(staged_view: str, table: str, *, merge: Merge) -> str:
    """A row for each row that the merge would write or delete: Delta commits, and rewrites files, also for none."""
    target = f"(SELECT *, true AS _is_held FROM {table_sql(table)})"
    changes = (
        f"SELECT 1 FROM {staged_view} AS s LEFT JOIN {target} AS t ON {merge.on}"
        f" WHERE t._is_held IS NULL OR ({merge.update_when})"
    )
    if merge.is_deleting_missing:
        changes += f" UNION ALL SELECT 1 FROM {table_sql(table)} AS t LEFT ANTI JOIN {staged_view} AS s ON {merge.on}"
    return changes


def _columns(fields: "Sequence[StructField]") -> str:
    return ", ".join(f"{_quoted(field.name)} {field.dataType.simpleString()}{_comment(field)}" for field in fields)


def _comment(field: "StructField") -> str:
    comment = str(field.metadata.get("comment", "")).replace("\\", "\\\\").replace("'", "\\'")
    return f" COMMENT '{comment}'" if comment else ""


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"
