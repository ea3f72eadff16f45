"""SQL text as the plan that the same query has when it is written with DataFrames.

So there is one way to follow a query, however it was written. What has no counterpart in a plan is written as what
means the same for lineage: HAVING and QUALIFY as filters of the rows before, an aggregate without its groups.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pyspark.sql.connect.proto import Aggregate, Expression, Join, Relation, SetOperation
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakelib.lineage.functions import GENERATORS
from lakelib.lineage.pivots import pivot, unpivot
from lakelib.lineage.plan import NATURAL, RECURSIVE
from lakelib.lineage.protos import expression, relation
from lakelib.lineage.scopes import quoted
from lakelib.lineage.sql_expressions import Subqueries, called_name, function_name, translate
from lakelib.lineage.sql_reading import DIALECT, named_tables, read_text, view_in

__all__ = ["parse_expression", "parse_query", "parse_view"]

_JOINS: Final = {
    "LEFT": Join.JOIN_TYPE_LEFT_OUTER,
    "RIGHT": Join.JOIN_TYPE_RIGHT_OUTER,
    "FULL": Join.JOIN_TYPE_FULL_OUTER,
    "SEMI": Join.JOIN_TYPE_LEFT_SEMI,
    "ANTI": Join.JOIN_TYPE_LEFT_ANTI,
}
_SETS: Final = {
    exp.Union: SetOperation.SET_OP_TYPE_UNION,
    exp.Intersect: SetOperation.SET_OP_TYPE_INTERSECT,
    exp.Except: SetOperation.SET_OP_TYPE_EXCEPT,
}
_SUBQUERY: Final = "__auto_generated_subquery_name"  # as Spark calls one without a name
_Views = Mapping[str, Relation]
# What is said not to be followed, and a tree in another form than any that is known.
_NOT_FOLLOWED: Final = (NotImplementedError, AttributeError, LookupError, TypeError, ValueError)


@cache
def parse_expression(text: str) -> Relation:
    """The expression of `F.expr`, `selectExpr` or `where` as the item of a select, with its subqueries as references;
    of one that can't be read there is no item."""
    subqueries = _subqueries({})
    try:
        item = translate(read_text(f"SELECT {text}").expressions[0], subqueries)
    except (SqlglotError, *_NOT_FOLLOWED):
        return Relation()
    return relation(with_relations={"root": {"project": {"expressions": [item]}}, "references": subqueries.found})


@cache
def parse_query(text: str) -> Relation:
    """The plan of a query as a root, with the tables that it names as references; one that can't be followed has no
    root."""
    try:
        tree = read_text(text)
    except SqlglotError:
        return relation(with_relations={"references": [_named(name) for name in named_tables(text)]})
    try:
        return relation(with_relations={"root": _query(tree, {}), "references": _tables(tree)})
    except _NOT_FOLLOWED:
        return relation(with_relations={"references": _tables(tree)})


def _tables(tree: exp.Expr) -> list[Relation]:
    own = {each.alias.lower() for each in tree.find_all(exp.CTE)}
    tables = [
        each for each in tree.find_all(exp.Table) if not isinstance(each.this, exp.Func) or called_name(each.this)
    ]
    return [_table(each, {}) for each in tables if each.name.lower() not in own]


def parse_view(text: str) -> tuple[str, Relation | None]:
    """The name and the query of a CREATE … VIEW or CACHE TABLE … AS; what can't be followed is a text."""
    try:
        tree = read_text(text)
        if isinstance(tree, exp.Cache) and tree.expression is not None:
            return tree.this.name, _query(tree.expression, {})
        if isinstance(tree, exp.Create) and tree.kind == "VIEW" and tree.expression is not None:
            view = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
            names = [each.name for each in tree.this.expressions] if isinstance(tree.this, exp.Schema) else []
            query = _query(tree.expression, {})
            return view.name, _renamed(query, names) if names else query
    except (SqlglotError, *_NOT_FOLLOWED):
        pass
    name, inside = view_in(text)
    return name, relation(sql={"query": inside}) if name else None


def _subqueries(views: _Views) -> Subqueries:
    return Subqueries(lambda tree: _query(tree, views))


def _query(tree: exp.Expr, views: _Views) -> Relation:
    views = _with_views(tree, views)
    match tree:
        case exp.Subquery(this=exp.Table()):
            return _aliased(_source(tree.this, views), tree)
        case exp.Subquery():
            made = _ended(tree, _query(tree.this, views), _subqueries(views))
            alias = tree.args.get("alias")
            is_named = alias is not None and alias.name
            # What a subquery does not select can't be named around it.
            return _aliased(made if is_named else _called(_SUBQUERY, made), tree)
        case exp.Select():
            return _select(tree, views)
        case exp.SetOperation():
            return _ended(tree, _set_operation(tree, views), _subqueries(views))
        case exp.Values():
            return _values(tree)
        case exp.Table():
            return _table(tree, views)
    raise NotImplementedError(type(tree).__name__)


def _with_views(tree: exp.Expr, views: _Views) -> _Views:
    clause = tree.args.get("with_")
    if clause is None:
        return views
    known = dict(views)
    for each in clause.expressions:
        names = [column.name for column in each.args["alias"].columns]
        is_recursive = clause.args.get("recursive") and isinstance(each.this.unnest(), exp.Union)
        query = _recursive(each, known) if is_recursive else _query(each.this, known)
        known[each.alias.lower()] = _renamed(query, names) if names else query
    return known


def _recursive(tree: exp.CTE, views: _Views) -> Relation:
    """The first rows as a reference, and as the root what a round makes of the rows so far."""
    union = tree.this.unnest()
    names = [column.name for column in tree.args["alias"].columns]
    first = _query(union.left, views)
    name = f"{RECURSIVE} {tree.alias.lower()}"
    step = _query(union.right, {**views, tree.alias.lower(): _named(quoted([name]))})
    rows = _called(name, _renamed(first, names) if names else first)
    made = relation(with_relations={"root": step, "references": [rows]})
    return relation(deduplicate={"input": made, "all_columns_as_keys": True}) if union.args.get("distinct") else made


def _select(tree: exp.Select, views: _Views) -> Relation:
    subqueries = _subqueries(views)
    rows = _from(tree, views)
    for lateral in tree.args.get("laterals") or ():
        rows = _lateral_view(lateral, rows, subqueries)
    for clause in ("where", "having", "qualify"):
        if condition := tree.args.get(clause):
            meant = condition.this if clause == "where" else _unaliased(condition.this, tree)
            rows = relation(filter={"input": rows, "condition": translate(meant, subqueries)})
    rows = _ordered(tree, rows, subqueries)
    items = [translate(item, subqueries) for each in tree.selects for item in _items(each)]
    group = tree.args.get("group")
    if group is not None or any(_is_aggregate(each) for each in tree.selects):
        rows = relation(aggregate=_aggregate(tree, rows, items, subqueries))
    else:
        rows = relation(project={"input": rows, "expressions": items})
    if tree.args.get("distinct"):
        rows = relation(deduplicate={"input": rows, "all_columns_as_keys": True})
    return subqueries.around(rows)


def _items(item: exp.Expr) -> list[exp.Expr]:
    """Each with a name, if it does not name its columns itself: here no engine can be asked for it."""
    is_generator = isinstance(item, exp.Func) and function_name(item) in GENERATORS
    if is_generator or isinstance(item, exp.Alias | exp.Aliases | exp.Star | exp.Column):
        return [item]
    return [exp.alias_(item.copy(), item.output_name or item.sql(DIALECT), quoted=True)]


def _is_aggregate(item: exp.Expr) -> bool:
    """Whether it aggregates rows itself: not over a window, not inside a subquery."""
    if isinstance(item, exp.Window | exp.Query):
        return False
    return isinstance(item, exp.AggFunc) or any(map(_is_aggregate, item.iter_expressions()))


def _aggregate(tree: exp.Select, rows: Relation, items: list[Expression], subqueries: Subqueries) -> Aggregate:
    group = tree.args.get("group") or exp.Group()
    keys = list(group.expressions)
    for name in ("grouping_sets", "cube", "rollup"):
        for each in group.args.get(name) or ():
            keys += [key for found in each.expressions for key in (found.expressions or [found])]
    if group.args.get("all"):
        keys = [each for each in tree.selects if not _is_aggregate(each)]
    meant = [translate(_grouped(key, tree), subqueries) for key in keys]
    return Aggregate(input=rows, grouping_expressions=meant, aggregate_expressions=items)


def _grouped(key: exp.Expr, select: exp.Select) -> exp.Expr:
    """A name may be one of the select, or a column's: which is known where columns are. What is grouped by a function
    can be selected by that name: `window.start`."""
    if isinstance(key, exp.Column):
        return key
    meant = _unaliased(key, select)
    return exp.alias_(meant, function_name(meant), quoted=True) if isinstance(meant, exp.Anonymous) else meant


def _unaliased(tree: exp.Expr, select: exp.Select) -> exp.Expr:
    """`GROUP BY 1`, `ORDER BY total`: the item of the select that is meant."""
    if isinstance(tree, exp.Literal) and tree.is_int and 0 < int(tree.name) <= len(select.selects):
        return select.selects[int(tree.name) - 1].unalias()
    named = {each.alias.lower(): each.this for each in select.selects if isinstance(each, exp.Alias)}

    def meant(node: exp.Expr) -> exp.Expr:
        is_own = isinstance(node, exp.Column) and not node.table and node.find_ancestor(exp.Query) is None
        is_alias = is_own and node.name.lower() in named
        return named[node.name.lower()].copy() if is_alias else node

    return tree.copy().transform(meant)


def _ended(tree: exp.Expr, rows: Relation, subqueries: Subqueries) -> Relation:
    order = tree.args.get("order")
    if order is None:
        return rows
    keys = [{"child": translate(_placed(each.this, tree), subqueries)} for each in order.expressions]
    return relation(sort={"input": rows, "order": keys})


def _placed(key: exp.Expr, tree: exp.Expr) -> exp.Expr:
    """`ORDER BY 1` of a union: the column there, if its name is said."""
    columns = tree.selects if isinstance(tree, exp.Query) else []
    is_place = isinstance(key, exp.Literal) and key.is_int and 0 < int(key.name) <= len(columns)
    name = columns[int(key.name) - 1].output_name if is_place else ""
    return exp.column(name, quoted=True) if name else key


def _ordered(tree: exp.Select, rows: Relation, subqueries: Subqueries) -> Relation:
    order = tree.args.get("order") or tree.args.get("sort") or tree.args.get("cluster")
    if order is None:
        return rows
    by = [each.this if isinstance(each, exp.Ordered) else each for each in order.expressions]
    keys = [{"child": translate(_unaliased(each, tree), subqueries)} for each in by]
    return relation(sort={"input": rows, "order": keys})


def _from(tree: exp.Select, views: _Views) -> Relation:
    clause = tree.args.get("from_")
    rows = _source(clause.this, views) if clause is not None else _one_row()
    for join in tree.args.get("joins") or ():
        rows = _join(join, rows, views)
    return rows


def _one_row() -> Relation:
    return relation(local_relation={"schema": "struct<>"})


def _source(tree: exp.Expr, views: _Views) -> Relation:
    rows = _query(tree, views) if not isinstance(tree, exp.Lateral) else _query(tree.this, views)
    for join in tree.args.get("joins") or ():
        rows = _join(join, rows, views)
    for lateral in tree.args.get("laterals") or ():
        rows = _lateral_view(lateral, rows, _subqueries(views))
    for each in tree.args.get("pivots") or ():
        made = unpivot if each.args.get("unpivot") else pivot
        rows = _aliased(made(each, rows, subqueries=_subqueries(views)), each)
    return rows


def _join(tree: exp.Join, rows: Relation, views: _Views) -> Relation:
    subqueries = _subqueries(views)
    if isinstance(tree.this, exp.Lateral):
        made = _lateral(tree.this, rows, views)
        if condition := tree.args.get("on"):
            made.lateral_join.join_condition.CopyFrom(translate(condition, subqueries))
        return subqueries.around(made)
    join = Join(left=rows, right=_source(tree.this, views), join_type=_join_type(tree))
    if condition := tree.args.get("on"):
        join.join_condition.CopyFrom(translate(condition, subqueries))
    join.using_columns.extend(
        [NATURAL] if tree.method == "NATURAL" else [each.name for each in tree.args.get("using") or ()]
    )
    return subqueries.around(relation(join=join))


def _lateral(tree: exp.Lateral, rows: Relation, views: _Views) -> Relation:
    """A subquery or a function that makes rows of each row before."""
    if isinstance(tree.this, exp.Func):
        return _lateral_view(tree, rows, _subqueries(views))
    return relation(lateral_join={"left": rows, "right": _aliased(_query(tree.this, views), tree)})


def _join_type(tree: exp.Join) -> Join.JoinType.ValueType:
    return _JOINS.get(tree.kind) or _JOINS.get(tree.side) or Join.JOIN_TYPE_INNER


def _lateral_view(tree: exp.Lateral, rows: Relation, subqueries: Subqueries) -> Relation:
    """`LATERAL VIEW explode(x) t AS a`: rows made of each row before."""
    named = tree.args.get("alias") or exp.TableAlias()
    names = [each.name for each in named.columns]
    made = exp.Aliases(this=tree.this.copy(), expressions=[exp.to_identifier(name) for name in names])
    item = translate(made if names else tree.this, subqueries)
    one = relation(project={"input": _one_row(), "expressions": [item]})
    right = _called(named.name, one) if named.name else one
    return relation(lateral_join={"left": rows, "right": right})


def _set_operation(tree: exp.SetOperation, views: _Views) -> Relation:
    operation = SetOperation(
        left_input=_query(tree.left, views),
        right_input=_query(tree.right, views),
        set_op_type=_SETS[type(tree)],
        by_name=bool(tree.args.get("by_name")),
    )
    rows = relation(set_op=operation)
    is_once = isinstance(tree, exp.Union) and tree.args.get("distinct")
    return relation(deduplicate={"input": rows, "all_columns_as_keys": True}) if is_once else rows


def _values(tree: exp.Values) -> Relation:
    first = tree.expressions[0] if tree.expressions else exp.Tuple()
    width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
    alias = tree.args.get("alias")
    names = [each.name for each in alias.columns] if alias is not None and alias.columns else []
    names = names or [f"col{number}" for number in range(1, width + 1)]
    items = [expression(alias={"name": [name], "expr": expression(literal={"string": ""})}) for name in names]
    rows = relation(project={"input": _one_row(), "expressions": items})
    return _called(alias.name, rows) if alias is not None else rows


def _table(tree: exp.Table, views: _Views) -> Relation:
    if isinstance(tree.this, exp.Func):
        named = called_name(tree.this)
        return _aliased(_named(named) if named else _table_function(tree.this, views), tree)
    parts = [part.name for part in tree.parts]
    if len(parts) == 1 and parts[0].lower() in views:
        return _aliased(_called(parts[0], views[parts[0].lower()]), tree)
    return _aliased(relation(read=_read(tree, parts)), tree)


def _called(name: str, rows: Relation) -> Relation:
    return relation(subquery_alias={"input": rows, "alias": quoted([name])})


def _named(name: str) -> Relation:
    return relation(read={"named_table": {"unparsed_identifier": name}})


def _read(tree: exp.Table, parts: list[str]) -> dict[str, Any]:
    """A table by its name, or a path as in delta.`/path`, of a version perhaps."""
    version = tree.args.get("version") or exp.Version()
    is_pinned = version.name == "VERSION" and isinstance(version.expression, exp.Literal)
    options = {"versionAsOf": version.expression.name} if is_pinned else {}
    if "/" in parts[-1]:
        return {"data_source": {"format": parts[0], "paths": [parts[-1]], "options": options}}
    return {"named_table": {"unparsed_identifier": quoted(parts), "options": options}}


def _table_function(tree: exp.Func, views: _Views) -> Relation:
    if tree.name.lower() == "range":
        return relation(range={"end": 1, "step": 1})
    subqueries = _subqueries(views)
    item = translate(exp.alias_(tree.copy(), "col"), subqueries)
    return subqueries.around(relation(project={"input": _one_row(), "expressions": [item]}))


def _aliased(rows: Relation, tree: exp.Expr) -> Relation:
    alias = tree.args.get("alias")
    if alias is None or not (alias.name or alias.columns):
        return rows
    names = [column.name for column in alias.columns]
    rows = _renamed(rows, names) if names else rows
    return _called(alias.name, rows) if alias.name else rows


def _renamed(rows: Relation, names: list[str]) -> Relation:
    return relation(to_df={"input": rows, "column_names": names})
