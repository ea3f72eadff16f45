"""Joins of a plan as the columns they make."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lakelib.lineage.expressions import value_of
from lakelib.lineage.plan import NATURAL, Plan
from lakelib.lineage.scopes import Column, Scope
from lakelib.lineage.values import Influences, combined, influences

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Expression, Relation

__all__ = ["JOINS"]


def _deciding(conditions: "Sequence[Expression]", both: Scope, plan: Plan) -> Influences:
    return influences((value_of(each, both, plan=plan) for each in conditions), "join")


def _join(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.join
    left, right = (plan.scope(side, outer=outer) for side in (node.left, node.right))
    both = Scope((*left.columns, *right.columns), left.rows | right.rows, (*left.hidden, *right.hidden), outer)
    names = _keys(node, left, right)
    keys = [value for name in names for side in (left, right) if (value := side.find((name,)))]
    rows = both.rows | influences(keys, "join")
    if node.HasField("join_condition"):
        rows |= _deciding([node.join_condition], both, plan)
    if node.join_type in (node.JOIN_TYPE_LEFT_SEMI, node.JOIN_TYPE_LEFT_ANTI):
        return replace(left, rows=rows)
    if names:
        return replace(_using(names, node, left=left, right=right), rows=rows, outer=outer)
    return replace(both, rows=rows)


def _keys(node: Any, left: Scope, right: Scope) -> list[str]:
    """The columns of a join by name; of a natural join, those that both sides have."""
    if list(node.using_columns) != [NATURAL]:
        return list(node.using_columns)
    theirs = {column.folded for column in right.columns}
    return [column.name for column in left.columns if column.folded in theirs]


def _using(names: Sequence[str], node: Any, *, left: Scope, right: Scope) -> Scope:
    """One column a key, from the side whose rows are all kept; both can still be named by their side."""
    keys = [(left.named(name)[0], right.named(name)[0]) for name in names]
    if node.join_type == node.JOIN_TYPE_FULL_OUTER:
        shown = [Column(mine.name, combined([mine.value, theirs.value], "transformation")) for mine, theirs in keys]
    else:
        shown = [theirs if node.join_type == node.JOIN_TYPE_RIGHT_OUTER else mine for mine, theirs in keys]
    taken = {column.number for pair in keys for column in pair}
    others = (column for column in (*left.columns, *right.columns) if column.number not in taken)
    hidden = (*left.hidden, *right.hidden, *(column for pair in keys for column in pair))
    return Scope((*shown, *others), hidden=hidden)


def _lateral_join(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.lateral_join
    left = plan.scope(node.left, outer=outer)
    right = plan.scope(node.right, outer=left)
    both = Scope((*left.columns, *right.columns), left.rows | right.rows, (*left.hidden, *right.hidden), outer)
    if not node.HasField("join_condition"):
        return both
    return both.influenced(_deciding([node.join_condition], both, plan))


def _nearest_by_join(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.nearest_by_join
    left, right = (plan.scope(side, outer=outer) for side in (node.left, node.right))
    both = Scope((*left.columns, *right.columns), left.rows | right.rows, (*left.hidden, *right.hidden), outer)
    return both.influenced(_deciding([node.ranking_expression], both, plan))


def _as_of_join(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.as_of_join
    left, right = (plan.scope(side, outer=outer) for side in (node.left, node.right))
    both = Scope((*left.columns, *right.columns), left.rows | right.rows, outer=outer)
    asked = [node.left_as_of, node.right_as_of, *([node.join_expr] if node.HasField("join_expr") else [])]
    keys = [value for name in node.using_columns for side in (left, right) if (value := side.find((name,)))]
    rows = both.rows | influences(keys, "join") | _deciding(asked, both, plan)
    return replace(_using_as_of(node, left, right) if node.using_columns else both, rows=rows)


def _using_as_of(node: Any, left: Scope, right: Scope) -> Scope:
    keys = {name.lower() for name in node.using_columns}
    return Scope((*left.columns, *(column for column in right.columns if column.name.lower() not in keys)))


JOINS: Final[Mapping[str, Callable[["Relation", Plan, Scope | None], Scope]]] = {
    "join": _join,
    "lateral_join": _lateral_join,
    "as_of_join": _as_of_join,
    "nearest_by_join": _nearest_by_join,
}
