"""Delta's statements in Spark's SQL, over tables addressed by their path."""

from lakelib.engine.protocol import Merge

__all__ = ["changes_sql", "merge_sql", "spark_condition", "table_sql"]


def table_sql(table: str) -> str:
    """The table by its path."""
    return f"delta.{_quoted(table)}"


def spark_condition(condition: str) -> str:
    """A condition as Spark reads it, to whom a backslash in a text begins an escape; to DataFusion it is itself."""
    return condition.replace("\\", "\\\\")


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


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"
