"""Parts of a plan that name others: SQL texts, subqueries, and rows that are made of themselves."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lakelib.lineage.plan import RECURSIVE, Plan, everything, literal_of
from lakelib.lineage.scopes import Column, Scope, by_position, identifier_parts
from lakelib.lineage.values import alternatives, combined

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Relation

__all__ = ["FRAME", "TEXTS", "frame_name", "meant"]

_MOST_ROUNDS: Final = 100
FRAME: Final = re.compile(r"_pyspark_connect_temp_view_[0-9a-f]{32}")  # PySpark's own name of one, for one query


def _with_relations(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    """Parts that the root names: views of a SQL text by name, subqueries by plan id."""
    references, root = relation.with_relations.references, relation.with_relations.root
    if references and references[0].subquery_alias.alias.startswith(f"`{RECURSIVE}"):
        return _recursive(relation, plan, outer)
    views = {p.subquery_alias.alias.lower(): p for p in references if p.HasField("subquery_alias")}
    plan = replace(plan, local_views={**plan.local_views, **views})
    plan.subplans.update({part.common.plan_id: part for part in references if part.common.HasField("plan_id")})
    return _sql(root, plan, outer, whole=relation) if root.HasField("sql") else plan.scope(root, outer=outer)


def _recursive(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    """The first rows, and those that the root makes of the rows so far, until a round tells nothing new."""
    [first], root = relation.with_relations.references, relation.with_relations.root
    [name] = identifier_parts(first.subquery_alias.alias)
    rows = plan.scope(first.subquery_alias.input, outer=outer)
    for _ in range(_MOST_ROUNDS):
        made = replace(plan, rounds={**plan.rounds, name: rows}).scope(root, outer=outer)
        columns = tuple(Column(mine.name, alternatives(values)) for mine, values in by_position(rows, made))
        together = Scope(columns, rows.rows | made.rows)
        if (together.values, together.rows) == (rows.values, rows.rows):
            return rows
        rows = together
    plan.unresolved.append("a recursive query")
    return rows.each(lambda column: replace(column, value=combined(rows.values, "transformation")))


def _sql(relation: "Relation", plan: Plan, outer: Scope | None, *, whole: "Relation | None" = None) -> Scope:
    """Of a query that can't be followed, its tables are known. `whole` has the views that the text names by the way."""
    text, frames = meant(relation.sql)
    own = {new: plan.local_views[old] for old, new in frames.items()}
    plan = replace(plan, local_views={**plan.local_views, **own})
    query = plan.facts.query(text).with_relations
    names = plan.facts.schema(whole or relation).names
    made = _followed(query.root, plan, outer) if query.HasField("root") else None
    if made is None or len(names) != len(made.columns):
        plan.unresolved.append("a query in SQL")
        read = (_followed(each, plan, outer) for each in query.references)
        return everything(whole or relation, plan, below=[scope for scope in read if scope is not None])
    columns = (replace(column, name=name, qualifier=()) for column, name in zip(made.columns, names, strict=True))
    return replace(made, columns=tuple(columns), hidden=())


def meant(sql: Any) -> tuple[str, Mapping[str, str]]:
    """The text with its parameters where they name something, and its frames by names that each run gives them."""
    text = sql.query
    for name, given in sql.named_arguments.items():
        value = str(literal_of(given)).replace("'", "''").replace("\\", r"\\")
        text = re.sub(rf"(?i)\b(IDENTIFIER\s*\(\s*):{name}\b", rf"\1'{value}'", text)
    frames = {name: frame_name(number) for number, name in enumerate(dict.fromkeys(FRAME.findall(text)))}
    return FRAME.sub(lambda found: frames[found[0]], text), frames


def frame_name(number: int) -> str:
    return f"_pyspark_connect_temp_view_{number:032x}"


def _followed(part: "Relation", plan: Plan, outer: Scope | None) -> Scope | None:
    """Nothing, where the engine is asked for what only SQL can say, or for a table that is one of the text's own."""
    from pyspark.errors import PySparkException

    try:
        return plan.scope(part, outer=outer)
    except (PySparkException, ValueError):  # or columns do not fit each other
        return None


TEXTS: Final[Mapping[str, Callable[["Relation", Plan, Scope | None], Scope]]] = {
    "with_relations": _with_relations,
    "sql": _sql,
}
