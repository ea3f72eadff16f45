"""Relations of a Spark Connect plan as the columns they make."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lakelib.lineage.expressions import columns_of, value_of
from lakelib.lineage.joins import JOINS
from lakelib.lineage.leaves import LEAVES, LOCAL, local
from lakelib.lineage.plan import Plan, everything
from lakelib.lineage.scopes import Column, Scope, by_position, identifier_parts
from lakelib.lineage.statistics import STATISTICS
from lakelib.lineage.texts import TEXTS
from lakelib.lineage.values import CONSTANT, Influence, Value, alternatives, combined, influences

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Expression, Relation

__all__ = ["resolve"]


def resolve(relation: "Relation", plan: Plan, *, outer: Scope | None) -> Scope:
    """The columns of a relation; `outer` are those of the query around it."""
    kind = relation.WhichOneof("rel_type") or ""
    handle = _KINDS.get(kind) or LEAVES.get(kind) or _unknown
    scope = replace(handle(relation, plan, outer), outer=outer)
    if relation.common.HasField("plan_id"):
        plan.scopes[relation.common.plan_id] = scope
    return scope


def _input(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = getattr(relation, relation.WhichOneof("rel_type") or "")
    return plan.scope(node.input, outer=outer)


def _influence(expressions: Sequence["Expression"], how: Influence, place: tuple[Scope, Plan]) -> Any:
    scope, plan = place
    return influences((value_of(each, scope, plan=plan) for each in expressions), how)


def _named(scope: Scope, relation: "Relation", plan: Plan) -> Scope:
    """Where only the engine knows how a column is called, it is asked."""
    if all(column.name for column in scope.columns):
        return scope
    names = plan.facts.schema(relation).names
    if len(names) != len(scope.columns):
        plan.unresolved.append("a select")
        return everything(relation, plan, below=[scope])
    told = (replace(column, name=name) for column, name in zip(scope.columns, names, strict=True))
    return replace(scope, columns=tuple(told))


def _selected(expressions: Sequence["Expression"], scope: Scope, plan: Plan) -> tuple[Column, ...]:
    """Each item may name the items before it, where no column has their name (lateral aliases)."""
    columns: list[Column] = []
    for expression in expressions:
        place = replace(scope, hidden=(*columns, *scope.hidden)) if columns else scope
        columns += columns_of(expression, place, plan=plan)
    return tuple(columns)


def _project(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    columns = _selected(relation.project.expressions, below, plan)
    # A sort or a filter may still name what was not selected.
    made = Scope(columns, below.rows, hidden=(*below.columns, *below.hidden))
    return _named(made, relation, plan)


def _with_columns(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    made = [column for alias in relation.with_columns.aliases for column in _of_alias(alias, below, plan)]
    by_name = {column.name.lower(): column for column in made}
    kept = [replace(by_name.pop(c.name.lower(), c), name=c.name) for c in _first_of_each(below.columns, by_name)]
    return replace(below, columns=(*kept, *by_name.values()))


def _first_of_each(columns: Sequence[Column], replaced: Mapping[str, Column]) -> list[Column]:
    names = [column.name.lower() for column in columns]
    return [c for n, c in enumerate(columns) if names[n] not in replaced or names[n] not in names[:n]]


def _of_alias(alias: Any, below: Scope, plan: Plan) -> list[Column]:
    from pyspark.sql.connect.proto import Expression

    return columns_of(Expression(alias=alias), below, plan=plan)


def _renamed(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.with_columns_renamed
    scope = _input(relation, plan, outer)
    for old, new in [*node.rename_columns_map.items(), *((each.col_name, each.new_col_name) for each in node.renames)]:
        scope = scope.each(lambda c, old=old, new=new: replace(c, name=new) if c.is_named(old.lower()) else c)  # type: ignore[misc]
    return scope


def _to_df(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    if relation.to_df.input.WhichOneof("rel_type") in LOCAL:
        return local(relation, plan, rows=relation.to_df.input)
    below = _input(relation, plan, outer)
    pairs = zip(below.columns, relation.to_df.column_names, strict=True)
    return replace(below, columns=tuple(replace(column, name=name) for column, name in pairs))


def _to_schema(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    columns = [Column(name, below.find((name,)) or CONSTANT) for name in plan.facts.schema(relation).names]
    return replace(below, columns=tuple(columns))


def _dropped(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    names = {name.lower() for name in relation.drop.column_names}
    exact = {column.number for each in relation.drop.columns for column in columns_of(each, below, plan=plan)}
    known = {column.number for column in below.columns}
    names |= {
        column.name.lower()
        for each in relation.drop.columns
        for column in columns_of(each, below, plan=plan)
        if column.number not in known and not each.unresolved_attribute.HasField("plan_id")
    }
    kept = (c for c in below.columns if c.name.lower() not in names and c.number not in exact)
    return replace(below, columns=tuple(kept))


def _filter(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    return below.influenced(_influence([relation.filter.condition], "filter", (below, plan)))


def _sort(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    return below.influenced(_influence([each.child for each in relation.sort.order], "sort", (below, plan)))


def _sample_by(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    return below.influenced(_influence([relation.sample_by.col], "filter", (below, plan)))


def _deduplicate(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    keys = relation.deduplicate.column_names
    values = [below.find((key,)) or CONSTANT for key in keys] if keys else below.values
    return below.influenced(influences(values, "group"))


def _same(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    return _input(relation, plan, outer)


def _alias(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.subquery_alias
    return _input(relation, plan, outer).qualified((*node.qualifier, *identifier_parts(node.alias)))


def _without_nulls(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    names = relation.drop_na.cols
    return below.influenced(influences([below.find((n,)) or CONSTANT for n in names] or below.values, "filter"))


def _filled(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    """`fillna` and `replace`: other values in some columns."""
    node = relation.fill_na if relation.HasField("fill_na") else relation.replace
    names = {name.lower() for name in node.cols}

    def changed(column: Column) -> Column:
        is_meant = not names or column.name.lower() in names
        return replace(column, value=combined([column.value], "transformation")) if is_meant else column

    return _input(relation, plan, outer).each(changed)


def _aggregate(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    """Of an aggregate in SQL, which says UNSPECIFIED, the groups are columns only where they are selected."""
    node = relation.aggregate
    below = _input(relation, plan, outer)
    place = (below, plan)
    groups = [column for key in node.grouping_expressions for column in _group(key, node, below, plan)]
    values = [value_of(e, below, plan=plan) for each in node.grouping_sets for e in each.grouping_set]
    rows = below.rows | influences([*(group.value for group in groups), *values], "group")
    made = _selected(node.aggregate_expressions, replace(below, hidden=(*below.hidden, *groups)), plan)
    if node.HasField("pivot"):
        columns = _pivoted(groups, made, _influence([node.pivot.col], "condition", place), relation=relation, plan=plan)
        return Scope(columns, rows)
    shown = () if node.group_type == node.GROUP_TYPE_UNSPECIFIED else groups
    return _named(Scope((*shown, *made), rows), relation, plan)


def _group(key: "Expression", node: Any, below: Scope, plan: Plan) -> list[Column]:
    """Of an aggregate in SQL, a name that no column has is that of an item of the select."""
    parts = identifier_parts(key.unresolved_attribute.unparsed_identifier)
    if len(parts) == 1 and node.group_type == node.GROUP_TYPE_UNSPECIFIED and below.column(parts) is None:
        named = (item.alias for item in node.aggregate_expressions if item.HasField("alias"))
        meant = [alias.expr for alias in named if [name.lower() for name in alias.name] == [parts[0].lower()]]
        key = meant[0] if meant else key
    return columns_of(key, below, plan=plan)


def _pivoted(
    groups: Sequence[Column], made: Sequence[Column], chosen: Any, *, relation: "Relation", plan: Plan
) -> tuple[Column, ...]:
    """The groups, then each aggregate for each value of the pivot's column."""
    names = plan.facts.schema(relation).names
    values = [replace(each.value, influences=each.value.influences | chosen) for each in made]
    cells = (Column(name, values[n % len(values)]) for n, name in enumerate(names[len(groups) :]))
    return (*(replace(group, name=name) for group, name in zip(groups, names, strict=False)), *cells)


def _unpivoted(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.unpivot
    below = _input(relation, plan, outer)
    ids = [column for each in node.ids for column in columns_of(each, below, plan=plan)]
    taken = {column.name.lower() for column in ids}
    values = [value_of(each, below, plan=plan) for each in node.values.values]
    values = values or [column.value for column in below.columns if column.name.lower() not in taken]
    made = (Column(node.variable_column_name, CONSTANT), Column(node.value_column_name, alternatives(values)))
    return replace(below, columns=(*ids, *made))


def _transposed(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    """The first column has names; in each other one, named by a value of the index, are values of all columns."""
    below = _input(relation, plan, outer)
    asked = relation.transpose.index_columns
    index = [c for each in asked for c in columns_of(each, below, plan=plan)] or below.columns[:1]
    numbers = {column.number for column in index}
    held = [column.value for column in below.columns if column.number not in numbers]
    is_one_type = len({str(value.kind) for value in held}) == 1
    cell = alternatives(held) if is_one_type else combined(held, "transformation")
    chosen = influences((column.value for column in index), "condition")
    first, *others = plan.facts.schema(relation).names
    cells = (Column(name, replace(cell, influences=cell.influences | chosen)) for name in others)
    return replace(below, columns=(Column(first, CONSTANT), *cells), hidden=())


def _set_operation(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.set_op
    left, right = (plan.scope(side, outer=outer) for side in (node.left_input, node.right_input))
    if node.set_op_type == node.SET_OP_TYPE_UNION:
        pairs = _by_name(left, right) if node.by_name else by_position(left, right)
        columns = (replace(mine, value=alternatives(values), qualifier=()) for mine, values in pairs)
        return Scope(tuple(columns), left.rows | right.rows)
    return replace(left, rows=left.rows | right.rows | influences(right.values, "filter"))


def _by_name(left: Scope, right: Scope) -> list[tuple[Column, list[Value]]]:
    told = {column.folded: (column, [column.value]) for column in left.columns}
    for column in right.columns:
        told.setdefault(column.folded, (column, []))[1].append(column.value)
    return list(told.values())


def _map_partitions(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    return everything(relation, plan, below=[_input(relation, plan, outer)])


def _group_map(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    below = _input(relation, plan, outer)
    keys = _influence(relation.group_map.grouping_expressions, "group", (below, plan))
    return everything(relation, plan, below=[below]).influenced(keys)


def _co_group_map(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    node = relation.co_group_map
    below, other = plan.scope(node.input, outer=outer), plan.scope(node.other, outer=outer)
    keys = _influence(node.input_grouping_expressions, "group", (below, plan))
    keys |= _influence(node.other_grouping_expressions, "group", (other, plan))
    return everything(relation, plan, below=[below, other]).influenced(keys)


def _unknown(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    """What can't be followed: every column of every input may flow into every column."""
    kind = relation.WhichOneof("rel_type") or "an empty relation"
    plan.unresolved.append(kind)
    node = getattr(relation, kind, None)
    inside = [value for _, value in node.ListFields()] if node is not None else []
    below = [plan.scope(each, outer=outer) for each in inside if type(each).__name__ == "Relation"]
    return everything(relation, plan, below=below)


_KINDS: Final[Mapping[str, Callable[["Relation", Plan, Scope | None], Scope]]] = {
    **dict.fromkeys(
        (
            *("hint", "limit", "offset", "tail", "sample", "repartition", "repartition_by_expression"),
            *("with_watermark", "collect_metrics"),
        ),
        _same,
    ),
    "project": _project,
    "with_columns": _with_columns,
    "with_columns_renamed": _renamed,
    "to_df": _to_df,
    "to_schema": _to_schema,
    "drop": _dropped,
    "filter": _filter,
    "sort": _sort,
    "sample_by": _sample_by,
    "deduplicate": _deduplicate,
    "subquery_alias": _alias,
    "drop_na": _without_nulls,
    "fill_na": _filled,
    "replace": _filled,
    "aggregate": _aggregate,
    "unpivot": _unpivoted,
    "transpose": _transposed,
    **JOINS,
    **STATISTICS,
    "set_op": _set_operation,
    "map_partitions": _map_partitions,
    "group_map": _group_map,
    "co_group_map": _co_group_map,
    **TEXTS,
}
