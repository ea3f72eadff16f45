"""Temporary views and checkpoints: once one is made, the client forgets the plan behind it."""

from collections.abc import Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from lakelib.lineage.plan import View

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.proto import Command, Relation

__all__ = ["views_of", "watch"]

_ATTRIBUTE = "_lake_views"


def watch(session: "SparkSession") -> None:
    """Remembers the plan of every temporary view and checkpoint that the session makes from now on; twice is as once.

    PySpark has no hook on what a client sends, so that the client's method is wrapped, of this session alone.
    """
    client: Any = session.client
    if hasattr(client, _ATTRIBUTE):
        return
    views: dict[str, View] = {}
    setattr(client, _ATTRIBUTE, views)
    execute = client.execute_command

    @wraps(execute)
    def watched(command: "Command", *arguments: Any, **options: Any) -> Any:
        answer = execute(command, *arguments, **options)
        name, query = _made(command, answer)
        if query is not None:
            # A view may be made of the one that had its name before.
            views[name.lower()] = View(query, dict(views))
        return answer

    client.execute_command = watched


def views_of(session: "SparkSession") -> Mapping[str, View]:
    """By their names in lower case; checkpoints by their ids."""
    return getattr(session.client, _ATTRIBUTE, {})


def _made(command: "Command", answer: Any) -> "tuple[str, Relation | None]":
    match command.WhichOneof("command_type"):
        case "create_dataframe_view":
            return command.create_dataframe_view.name, command.create_dataframe_view.input
        case "checkpoint_command":
            return answer[1]["checkpoint_command_result"]._plan._relation_id, command.checkpoint_command.relation
        case "sql_command":
            text = command.sql_command.input.sql.query
            if any(word in text.lower() for word in ("view", "cache")):
                from lakelib.lineage.sql import parse_view

                return parse_view(text)
    return "", None
