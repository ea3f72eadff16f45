"""Tables of statistics that a plan makes of its columns."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lakelib.lineage.plan import Plan
from lakelib.lineage.scopes import Column, Scope
from lakelib.lineage.values import CONSTANT, Value, combined, influences

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Relation

__all__ = ["STATISTICS"]


def _summary(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    """`describe` and `summary`: what each row is, and of each column that."""
    return _of_each(relation, plan, outer, name=str)


def _frequent(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    return _of_each(relation, plan, outer, name=lambda told: told.removesuffix("_freqItems"))


def _of_each(relation: "Relation", plan: Plan, outer: Scope | None, *, name: Callable[[str], str]) -> Scope:
    below = plan.scope(_node(relation).input, outer=outer)
    told = plan.facts.schema(relation).names
    columns = (Column(each, combined([_value(below, name(each))], "aggregation")) for each in told)
    return Scope(tuple(columns), below.rows)


def _crosstab(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    """How often each value of one column comes with each of another, which are the columns."""
    node = relation.crosstab
    below = plan.scope(node.input, outer=outer)
    key, other = _value(below, node.col1), _value(below, node.col2)
    first, *others = plan.facts.schema(relation).names
    count = replace(CONSTANT, influences=influences([other], "condition"))
    columns = (Column(first, combined([key], "transformation")), *(Column(each, count) for each in others))
    return Scope(columns, below.rows | influences([key], "group"))


def _node(relation: "Relation") -> Any:
    return getattr(relation, relation.WhichOneof("rel_type") or "")


def _value(below: Scope, name: str) -> Value:
    return below.find((name,)) or CONSTANT


STATISTICS: Final[Mapping[str, Callable[["Relation", Plan, Scope | None], Scope]]] = {
    "crosstab": _crosstab,
    "describe": _summary,
    "freq_items": _frequent,
    "summary": _summary,
}
