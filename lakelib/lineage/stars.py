"""Items of a select that stand for several columns."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lakelib.lineage.plan import STAR_BUT, Plan, literal_of
from lakelib.lineage.scopes import Column, Scope, identifier_parts
from lakelib.lineage.values import updated

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Expression

__all__ = ["is_star", "matching", "star"]


def is_star(expression: "Expression") -> bool:
    """Whether it is `*` or `* EXCEPT (…)`."""
    return expression.HasField("unresolved_star") or (
        expression.HasField("unresolved_function") and expression.unresolved_function.function_name == STAR_BUT
    )


def star(expression: "Expression", scope: Scope, *, plan: Plan) -> list[Column]:
    if not expression.HasField("unresolved_star"):
        return _star_but(expression.unresolved_function, scope, plan)
    told = expression.unresolved_star
    if told.HasField("plan_id") and told.plan_id in plan.scopes:
        return [scope.handed_on(column) for column in plan.scopes[told.plan_id].columns]
    return scope.star(identifier_parts(told.unparsed_target.removesuffix("*").removesuffix(".")))


def _star_but(function: Any, scope: Scope, plan: Plan) -> list[Column]:
    """A star, then what is left out: columns, or fields inside them."""
    first, *left_out = function.arguments
    columns = star(first, scope, plan=plan)
    for name in left_out:
        columns = _without(columns, identifier_parts(str(literal_of(name))))
    return columns


def _without(columns: list[Column], path: Sequence[str]) -> list[Column]:
    folded = [part.lower() for part in path]
    for length in range(len(path), 0, -1):
        meant = {column.number for column in columns if column.is_named(*folded[:length])}
        if meant and length == len(path):
            return [column for column in columns if column.number not in meant]
        if meant:
            return [_less(column, path[length:]) if column.number in meant else column for column in columns]
    return columns


def _less(column: Column, inside: Sequence[str]) -> Column:
    return replace(column, value=updated(column.value, inside, by=None))


def matching(expression: "Expression", scope: Scope) -> list[Column]:
    pattern = re.compile(expression.unresolved_regex.col_name.strip("`"), re.IGNORECASE)
    return [column for column in scope.columns if pattern.fullmatch(column.name)]
