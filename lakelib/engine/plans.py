"""What a plan tells about its cost, before anybody computes it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["is_row_by_row"]

_SOURCES: Final = ("cached_local_relation", "local_relation", "read")
_RENAMING: Final = ("subquery_alias", "to_df", "to_schema", "with_columns_renamed")
_ROW_BY_ROW: Final = frozenset((*_SOURCES, *_RENAMING, "drop", "filter", "hint", "project", "with_columns"))
_COSTLY: Final = frozenset(("common_inline_user_defined_function", "subquery_expression", "window"))
_COSTLY_TEXT: Final = re.compile(r"(?i)\b(over|select)\b")


def is_row_by_row(df: "DataFrame") -> bool:
    """Whether each row is made of one that is read, by the engine's own functions.

    So a few of the columns cost no more than they do alone: nothing is joined, sorted or grouped for them. Of a view,
    that is not known.
    """
    told: Any = df  # a DataFrame of Spark Connect, whose plan is not in its interface
    plan = told._plan.to_proto(told.sparkSession.client)
    return all(_is_cheap(part) for part in _parts(plan.root))


def _is_cheap(part: Any) -> bool:
    match part.DESCRIPTOR.name:
        case "Relation":
            return part.WhichOneof("rel_type") in _ROW_BY_ROW and not part.read.HasField("named_table")
        case "ExpressionString":
            return not _COSTLY_TEXT.search(part.expression)
        case "Expression":
            return part.WhichOneof("expr_type") not in _COSTLY
    return True


def _parts(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            yield from _parts(each)
