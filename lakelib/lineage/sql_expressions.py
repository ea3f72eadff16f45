"""SQL expressions as those of a plan; what lineage does not tell apart becomes a function of all that is in it."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pyspark.sql.connect.proto import Expression, Relation, SubqueryExpression
from sqlglot import exp

from lakelib.lineage.functions import AGGREGATES
from lakelib.lineage.protos import expression, relation, star_but
from lakelib.lineage.scopes import quoted

__all__ = ["Subqueries", "all_columns_but", "called_name", "function_name", "translate"]

_SPARK_NAMES: Final = {"arg_max": "max_by", "arg_min": "min_by"}
_FAR: Final = 1 << 40  # from the plan ids of DataFrames


@dataclass
class Subqueries:
    """Those inside the expressions of one query, which name them by their plan ids."""

    translate: Callable[[exp.Expr], Relation]
    found: list[Relation] = field(default_factory=list)

    def add(self, tree: exp.Expr) -> int:
        query = Relation()
        query.CopyFrom(self.translate(tree))
        # By what it says: a text that was read by another process may stand in one plan with a text of this one.
        digest = hashlib.sha256(query.SerializeToString(deterministic=True)).digest()
        query.common.plan_id = _FAR + int.from_bytes(digest[:7])
        self.found.append(query)
        return query.common.plan_id

    def around(self, rows: Relation) -> Relation:
        return relation(with_relations={"root": rows, "references": self.found}) if self.found else rows


def translate(tree: exp.Expr, subqueries: Subqueries) -> Expression:
    for kind, made in _KINDS.items():
        if isinstance(tree, kind):
            return made(tree, subqueries)
    return _function(function_name(tree), list(tree.iter_expressions()), subqueries)


def function_name(tree: exp.Expr) -> str:
    """As lineage knows functions; of an aggregate that it does not know, that of another one."""
    if isinstance(tree, exp.Anonymous):
        return str(tree.name).lower()
    if isinstance(tree, exp.VarMap):
        return "map_from_arrays"
    name = tree.sql_name().lower() if isinstance(tree, exp.Func) else tree.key
    name = _SPARK_NAMES.get(name, name)
    return "sum" if isinstance(tree, exp.AggFunc) and name not in AGGREGATES else name


def called_name(tree: exp.Expr) -> str:
    """What `IDENTIFIER('name')` names; nothing for any other function."""
    is_identifier = isinstance(tree, exp.Anonymous) and tree.name.upper() == "IDENTIFIER" and tree.expressions
    return str(tree.expressions[0].name) if is_identifier and isinstance(tree.expressions[0], exp.Literal) else ""


def _anonymous(tree: exp.Anonymous, subqueries: Subqueries) -> Expression:
    if name := called_name(tree):
        return expression(unresolved_attribute={"unparsed_identifier": name})
    if function_name(tree) == "identifier":
        raise NotImplementedError("a name that is computed")
    if function_name(tree) == "table":  # all rows of one, for a function
        kind = SubqueryExpression.SUBQUERY_TYPE_TABLE_ARG
        return expression(subquery_expression={"plan_id": subqueries.add(tree.expressions[0]), "subquery_type": kind})
    return _function(function_name(tree), tree.expressions, subqueries)


def _function(name: str, arguments: Sequence[exp.Expr], subqueries: Subqueries) -> Expression:
    translated = [translate(each, subqueries) for each in arguments if not isinstance(each, exp.DataType)]
    return expression(unresolved_function={"function_name": name, "arguments": translated})


def _column(tree: exp.Column, subqueries: Subqueries) -> Expression:
    if isinstance(tree.this, exp.Star):
        return _star([part.name for part in tree.parts[:-1]], tree.this)
    return expression(unresolved_attribute={"unparsed_identifier": quoted(part.name for part in tree.parts)})


def _dot(tree: exp.Dot, subqueries: Subqueries) -> Expression:
    if isinstance(tree.expression, exp.Star):
        return _star([part.name for part in tree.this.find_all(exp.Identifier)], tree.expression)
    extraction = expression(literal={"string": tree.expression.name})
    child = translate(tree.this, subqueries)
    return expression(unresolved_extract_value={"child": child, "extraction": extraction})


def _star(qualifier: Sequence[str], tree: exp.Expr) -> Expression:
    if tree.args.get("replace") or tree.args.get("rename"):
        raise NotImplementedError("* REPLACE")
    return star_but(quoted(qualifier), left_out=[quoted(_path(each)) for each in tree.args.get("except_") or ()])


def _path(tree: exp.Expr) -> list[str]:
    if isinstance(tree, exp.Dot):
        return [*_path(tree.this), *_path(tree.expression)]
    return [part.name for part in tree.parts] if isinstance(tree, exp.Column) else [tree.name]


def all_columns_but(names: Collection[str]) -> Expression:
    return star_but("", left_out=[quoted([name]) for name in sorted(names)])


def _bracket(tree: exp.Bracket, subqueries: Subqueries) -> Expression:
    child, key = translate(tree.this, subqueries), translate(tree.expressions[0], subqueries)
    return expression(unresolved_extract_value={"child": child, "extraction": key})


def _literal(tree: exp.Literal, _: Subqueries) -> Expression:
    if tree.is_int:
        return expression(literal={"long": int(tree.name)})
    return expression(literal={"string": tree.name})


def _constant(_: exp.Expr, __: Subqueries) -> Expression:
    return expression(literal={"string": ""})


def _alias(tree: exp.Alias, subqueries: Subqueries) -> Expression:
    return expression(alias={"expr": translate(tree.this, subqueries), "name": [tree.alias]})


def _aliases(tree: exp.Aliases, subqueries: Subqueries) -> Expression:
    return expression(
        alias={"expr": translate(tree.this, subqueries), "name": [each.name for each in tree.expressions]}
    )


def _case(tree: exp.Case, subqueries: Subqueries) -> Expression:
    pairs = [part for branch in tree.args["ifs"] for part in (_condition(tree, branch), branch.args["true"])]
    default = tree.args.get("default")
    return _function("when", [*pairs, *([default] if default is not None else [])], subqueries)


def _condition(tree: exp.Case, branch: exp.Expr) -> exp.Expr:
    return exp.EQ(this=tree.this.copy(), expression=branch.this.copy()) if tree.this is not None else branch.this


def _if(tree: exp.If, subqueries: Subqueries) -> Expression:
    parts = [tree.this, tree.args["true"], tree.args.get("false")]
    return _function("if", [part for part in parts if part is not None], subqueries)


def _cast(tree: exp.Cast, subqueries: Subqueries) -> Expression:
    return expression(cast={"expr": translate(tree.this, subqueries), "type_str": "string"})


def _window(tree: exp.Window, subqueries: Subqueries) -> Expression:
    order = tree.args.get("order")
    return expression(
        window={
            "window_function": translate(tree.this, subqueries),
            "partition_spec": [translate(each, subqueries) for each in tree.args.get("partition_by") or ()],
            "order_spec": [
                {"child": translate(each.this, subqueries)} for each in (order.expressions if order is not None else ())
            ],
        }
    )


def _struct(tree: exp.Struct, subqueries: Subqueries) -> Expression:
    return _function("struct", [_field(each) for each in tree.expressions], subqueries)


def _field(tree: exp.Expr) -> exp.Expr:
    if isinstance(tree, exp.PropertyEQ):
        return exp.alias_(tree.expression.copy(), tree.this.name, quoted=True)
    is_named = isinstance(tree, exp.Alias | exp.Star | exp.Column) or not tree.alias_or_name
    return tree if is_named else exp.alias_(tree.copy(), tree.alias_or_name, quoted=True)


def _lambda(tree: exp.Lambda, subqueries: Subqueries) -> Expression:
    names = [each.name for each in tree.expressions]
    arguments = [{"name_parts": [name]} for name in names]
    return expression(lambda_function={"function": translate(tree.this, subqueries), "arguments": arguments})


def _any(tree: exp.Any, subqueries: Subqueries) -> Expression:
    """An aggregate, or what a LIKE compares with: `LIKE ANY ('a%', 'b%')`."""
    is_compared = isinstance(tree.parent, exp.Like | exp.ILike)
    return _function("any of" if is_compared else "any", [tree.this], subqueries)


def _within_group(tree: exp.WithinGroup, subqueries: Subqueries) -> Expression:
    order = [each.this for each in tree.expression.expressions]
    return _function("within_group", [tree.this, *order], subqueries)


def _filtered(tree: exp.Filter, subqueries: Subqueries) -> Expression:
    """`sum(x) FILTER (WHERE …)`"""
    condition = tree.expression.this if isinstance(tree.expression, exp.Where) else tree.expression
    return _function("filter_clause", [tree.this, condition], subqueries)


def _scalar(tree: exp.Expr, subqueries: Subqueries) -> Expression:
    query = tree.this if isinstance(tree, exp.Subquery) and not tree.alias else tree
    kind = SubqueryExpression.SUBQUERY_TYPE_SCALAR
    return expression(subquery_expression={"plan_id": subqueries.add(query), "subquery_type": kind})


def _exists(tree: exp.Exists, subqueries: Subqueries) -> Expression:
    if not isinstance(tree.this, exp.Query):
        return _function("exists", list(tree.iter_expressions()), subqueries)
    kind = SubqueryExpression.SUBQUERY_TYPE_EXISTS
    return expression(subquery_expression={"plan_id": subqueries.add(tree.this), "subquery_type": kind})


def _in(tree: exp.In, subqueries: Subqueries) -> Expression:
    query = tree.args.get("query")
    if query is None:
        return _function("in", [tree.this, *tree.expressions], subqueries)
    plan_id = subqueries.add(query.this if isinstance(query, exp.Subquery) else query)
    values = [translate(tree.this, subqueries)]
    kind = SubqueryExpression.SUBQUERY_TYPE_IN
    return expression(subquery_expression={"plan_id": plan_id, "subquery_type": kind, "in_subquery_values": values})


def _inside(tree: exp.Paren, subqueries: Subqueries) -> Expression:
    return translate(tree.this, subqueries)


_KINDS: Final[Mapping[type[exp.Expr], Callable[[Any, Subqueries], Expression]]] = {
    exp.Alias: _alias,
    exp.Anonymous: _anonymous,
    exp.Aliases: _aliases,
    exp.Column: _column,
    exp.Dot: _dot,
    exp.Star: lambda tree, _: _star([], tree),
    exp.Bracket: _bracket,
    exp.Literal: _literal,
    exp.Null: _constant,
    exp.Boolean: _constant,
    exp.Parameter: _constant,
    exp.Placeholder: _constant,
    exp.Interval: _constant,
    exp.Case: _case,
    exp.If: _if,
    exp.Cast: _cast,
    exp.Window: _window,
    exp.Struct: _struct,
    exp.Any: _any,
    exp.Lambda: _lambda,
    exp.Filter: _filtered,
    exp.WithinGroup: _within_group,
    exp.Exists: _exists,
    exp.In: _in,
    exp.Paren: _inside,
    exp.Identifier: lambda tree, _: expression(unresolved_attribute={"unparsed_identifier": quoted([tree.name])}),
    exp.Subquery: _scalar,
    exp.Select: _scalar,
    exp.SetOperation: _scalar,
}
