"""Temporary views: once a view is made, the client forgets the plan behind it."""

from collections.abc import Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.proto import Command, Relation

__all__ = ["views_of", "watch"]

_ATTRIBUTE = "_lake_views"


def watch(session: "SparkSession") -> None:
    """Remembers the plan of every temporary view that the session makes from now on; twice is as once.

    PySpark has no hook on what a client sends, so that the client's method is wrapped, of this session alone.
    """
    client: Any = session.client
    if hasattr(client, _ATTRIBUTE):
        return
    views: dict[str, Relation] = {}
    setattr(client, _ATTRIBUTE, views)
    execute = client.execute_command

    @wraps(execute)
    def watched(command: "Command", *arguments: Any, **options: Any) -> Any:
        answer = execute(command, *arguments, **options)
        _remember(command, views)
        return answer

    client.execute_command = watched


def views_of(session: "SparkSession") -> "Mapping[str, Relation]":
    return getattr(session.client, _ATTRIBUTE, {})


def _remember(command: "Command", views: "dict[str, Relation]") -> None:
    if command.HasField("create_dataframe_view"):
        made = command.create_dataframe_view
        views[made.name.lower()] = made.input
    elif command.HasField("sql_command") and "view" in command.sql_command.input.sql.query.lower():
        from lakelib.lineage.sql import parse_view

        name, query = parse_view(command.sql_command.input.sql.query)
        if query is not None:
            views[name.lower()] = query
