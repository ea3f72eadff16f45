"""What is known while one plan is walked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from lakelib.lineage.scopes import Column, Scope
from lakelib.lineage.values import Value, combined

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Expression, Relation
    from pyspark.sql.types import StructType

__all__ = [
    "NATURAL",
    "RECURSIVE",
    "STAR_BUT",
    "UNPIVOT",
    "Facts",
    "Plan",
    "Resolve",
    "View",
    "everything",
    "literal_of",
]

# What SQL can say and a plan can't: functions, a column to join by, and a table, with names that no other has.
STAR_BUT: Final = "* EXCEPT"
UNPIVOT: Final = "* unpivot"
NATURAL: Final = "* NATURAL"
RECURSIVE: Final = "* RECURSIVE"


def literal_of(expression: "Expression") -> Any:
    """What a literal says; None of any other expression."""
    literal = expression.literal
    kind = literal.WhichOneof("literal_type")
    return getattr(literal, kind) if expression.HasField("literal") and kind else None


class Facts(Protocol):
    """What a plan does not tell by itself."""

    def schema(self, relation: "Relation") -> "StructType":
        """The columns of a part of the plan, as the engine knows them."""
        ...

    def name(self, location: str) -> str:
        """What the source at a path or URI is called."""
        ...

    def expression(self, text: str) -> "Relation":
        """An expression in SQL as the one item of a select, if it can be followed, with the subqueries inside it."""
        ...

    def query(self, text: str) -> "Relation":
        """A query in SQL as a root, which one that can't be followed has not, and the tables that it names."""
        ...


class Resolve(Protocol):
    """Makes the columns of a relation; `outer` are those of the query around it."""

    def __call__(self, relation: "Relation", plan: "Plan", *, outer: Scope | None) -> Scope: ...


@dataclass(frozen=True)
class View:
    """The plan behind a name, and what the names in it meant when it was made."""

    relation: "Relation"
    views: "Mapping[str, View]"


@dataclass
class Plan:
    """`scopes` has the columns of each part that was walked, by its plan id: `df["x"]` names such a part.

    `known` has the values of large expressions by their scope: a chain of columns repeats them again and again.
    `views` are those of the session, by their names in lower case, `local_views` those of one query; `subplans` are
    named by expressions, by plan id; `rounds` has the rows so far of recursive queries, by name. `unresolved` says what
    could not be followed: there, every column of the inputs is said to flow into every column.
    """

    facts: Facts
    resolve: "Resolve"
    views: Mapping[str, View] = field(default_factory=dict)
    scopes: dict[int, Scope] = field(default_factory=dict)
    subplans: "dict[int, Relation]" = field(default_factory=dict)
    unresolved: list[str] = field(default_factory=list)
    local_views: "dict[str, Relation]" = field(default_factory=dict)
    rounds: dict[str, Scope] = field(default_factory=dict)
    known: dict[tuple[int, bytes], tuple[Scope, Value]] = field(default_factory=dict)

    def scope(self, relation: "Relation", *, outer: Scope | None = None) -> Scope:
        return self.resolve(relation, self, outer=outer)

    def view(self, name: str) -> Scope | None:
        """The columns of the view of that name, if there is one."""
        if name in self.rounds:
            return self.rounds[name].each(lambda column: Column(column.name, column.value))
        local, view = self.local_views.get(name.lower()), self.views.get(name.lower())
        if local is not None:
            return replace(self, local_views={}).scope(local)
        return replace(self, views=view.views, local_views={}).scope(view.relation) if view is not None else None


def everything(relation: "Relation", plan: Plan, *, below: Sequence[Scope]) -> Scope:
    """Of what can't be followed: every column of the inputs may flow into every column."""
    value = combined([value for scope in below for value in scope.values], "transformation")
    rows = frozenset().union(*(scope.rows for scope in below))
    return Scope(tuple(Column(name, value) for name in plan.facts.schema(relation).names), rows)
