"""What a plan tells before anybody computes it: whether it may be computed twice."""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["is_cheap_to_repeat"]

_SOURCES: Final = ("cached_local_relation", "local_relation", "read")
_RENAMING: Final = ("subquery_alias", "to_df", "to_schema", "with_columns_renamed")
_ROW_BY_ROW: Final = frozenset((*_SOURCES, *_RENAMING, "drop", "filter", "hint", "project", "with_columns"))
# A function that is called by its name may be one that the session registered.
_COSTLY: Final = frozenset(("call_function", "common_inline_user_defined_function", "subquery_expression", "window"))
# Functions that may give something else each time: by chance, by the clock, or whatever another language has.
_CHANGING: Final = frozenset(
    (
        *("rand", "randn", "random", "randstr", "random_poisson", "uniform", "uuid", "shuffle"),
        *("aes_encrypt", "try_aes_encrypt"),
        *("current_date", "current_time", "current_timestamp", "curdate", "localtimestamp", "now", "unix_timestamp"),
        *("monotonically_increasing_id", "java_method", "reflect", "try_reflect"),
    )
)
_UNSUITED: Final = ("over", "select", "today", "tomorrow", "yesterday", *sorted(_CHANGING))
_UNSUITED_TEXT: Final = re.compile(rf"(?i)\b({'|'.join(_UNSUITED)})\b")
_CALLED: Final = re.compile(r"([^\s(),+*/<>=|&!~-]+)\s*\(")
_WORDS: Final = frozenset(
    (
        *("and", "or", "not", "in", "between", "like", "cast", "try_cast", "extract", "decimal"),
        *("if", "case", "when", "then", "else", "as"),
    )
)


def is_cheap_to_repeat(df: "DataFrame") -> bool:
    """Whether each row is made of one that is read, by the engine's own functions, and the same whenever it is made.

    So a few of the columns cost no more than they do alone: nothing is joined, sorted or grouped for them. Of a view,
    that is not known, nor whether a source that is no pinned version of a table gives the same rows again.
    """
    told: Any = df  # a DataFrame of Spark Connect, whose plan is not in its interface
    plan = told._plan.to_proto(told.sparkSession.client)
    return all(_is_suited(part) for part in _parts(plan.root))


def _is_suited(part: Any) -> bool:
    match part.DESCRIPTOR.name:
        case "Relation":
            return part.WhichOneof("rel_type") in _ROW_BY_ROW
        case "Read":
            return part.data_source.format == "delta" and "versionAsOf" in part.data_source.options
        case "ExpressionString":
            called = {name.lower() for name in _CALLED.findall(part.expression)}
            return called <= _known_names() and not _UNSUITED_TEXT.search(part.expression)
        case "UnresolvedFunction":
            return part.function_name.lower() not in _CHANGING
        case "Expression":
            return part.WhichOneof("expr_type") not in _COSTLY
    return True


@cache
def _known_names() -> frozenset[str]:
    """What may stand before a parenthesis in SQL but for functions that a session registered."""
    from pyspark.sql import functions

    return _WORDS.union(dir(functions))


def _parts(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            yield from _parts(each)
