"""Expressions of a Spark Connect plan as values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lakelib.lineage.functions import (
    ACCESSING,
    AGGREGATES,
    CHOOSING,
    DECIDING,
    EXTREMES,
    GENERATORS,
    HIGHER_ORDER,
    KEEPING,
    OF_MAPS,
    PASSING,
    UNCHANGED,
)
from lakelib.lineage.plan import Plan, literal_of
from lakelib.lineage.scopes import Column, Scope, identifier_parts
from lakelib.lineage.stars import is_star, matching, star
from lakelib.lineage.values import CONSTANT, Flow, Value, alternatives, combined, influences, passed, updated

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Expression

__all__ = ["columns_of", "value_of"]

_Bound = Mapping[str, Value]
_LARGE: Final = 400  # bytes
_AGGREGATING: Final = (202, 217, 252, 254)  # of `pyspark.util.PythonEvalType`, those with GROUPED_AGG in their names


def columns_of(expression: "Expression", scope: Scope, *, plan: Plan) -> list[Column]:
    """The columns that one item of a select makes; a name is empty where only the engine knows it."""
    make = _MAKING.get(expression.WhichOneof("expr_type") or "")
    if make is not None:
        return make(expression, scope, plan)
    if is_star(expression):
        return star(expression, scope, plan=plan)
    return [Column(name, value) for name, value in _generated(expression, scope, plan)]


def value_of(expression: "Expression", scope: Scope, *, plan: Plan, bound: _Bound | None = None) -> Value:
    """`bound` are the variables of the functions around it (`lambda x: x["price"]`)."""
    kind = expression.WhichOneof("expr_type")
    if kind == "literal":
        return CONSTANT
    evaluate = _KINDS.get(kind) if kind else None
    if kind is None or evaluate is None:
        return _unknown(kind or "an expression in SQL", scope, plan)
    if bound or expression.ByteSize() < _LARGE:
        return evaluate(getattr(expression, kind), scope, plan, bound or {})
    key = (id(scope), expression.SerializeToString())
    if key not in plan.known:
        plan.known[key] = scope, evaluate(getattr(expression, kind), scope, plan, {})
    return plan.known[key][1]


def _attribute_column(attribute: Any, scope: Scope, plan: Plan) -> Column:
    """A column that is handed on stays the one it is, so that it can still be told from others of its name."""
    parts = identifier_parts(attribute.unparsed_identifier)
    value = _attribute(attribute, scope, plan, {})
    place = plan.scopes.get(attribute.plan_id, scope) if attribute.HasField("plan_id") else scope
    same = next((column for column in place.columns if column.value is value), None)
    return same if same is not None and same.name.lower() == parts[-1].lower() else Column(parts[-1], value)


def _aliased(alias: Any, scope: Scope, plan: Plan) -> list[Column]:
    values = [value for _, value in _generated(alias.expr, scope, plan)]
    if len(alias.name) > 1 and len(values) != len(alias.name):
        values = [alternatives(values)] * len(alias.name)
    if len(alias.name) == 1 and len(values) > 1:
        values = [alternatives(values)]
    return [Column(name, value) for name, value in zip(alias.name, values, strict=True)]


def _generated(expression: "Expression", scope: Scope, plan: Plan) -> list[tuple[str, Value]]:
    """Names, where they are known, and values of the columns that an expression makes: a generator may make several."""
    if expression.WhichOneof("expr_type") != "unresolved_function":
        return [("", value_of(expression, scope, plan=plan))]
    function = expression.unresolved_function
    generate = GENERATORS.get(function.function_name.lower())
    if generate is None:
        return [("", value_of(expression, scope, plan=plan))]
    arguments = [value_of(argument, scope, plan=plan) for argument in function.arguments]
    return generate(arguments, [literal_of(argument) for argument in function.arguments])


def _attribute(attribute: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    parts = identifier_parts(attribute.unparsed_identifier)
    if parts[0].lower() in bound:
        return bound[parts[0].lower()].path(parts[1:])
    if attribute.HasField("plan_id") and attribute.plan_id in plan.scopes:
        named = plan.scopes[attribute.plan_id].column(parts)
        if named is not None:
            column, inside = named
            return scope.handed_on(column).value.path(inside)
    found = scope.find(parts)
    is_of_file = attribute.is_metadata_column or parts[0] == "_metadata"  # of the file that a row came from
    if found is None and not is_of_file:
        return _unknown(f"column {attribute.unparsed_identifier}", scope, plan)
    return found or CONSTANT


def _unknown(told: str, scope: Scope, plan: Plan) -> Value:
    """What can't be followed may be made of every column."""
    plan.unresolved.append(told)
    return combined(scope.values, "transformation")


def _function(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    name = function.function_name.lower()
    special = _SPECIAL.get(name)
    if special is not None:
        return special(function, scope, plan, bound)
    values = _arguments(function, scope, plan, bound)
    if name in DECIDING:
        decide = DECIDING[name]
        return _chosen(
            [v for n, v in enumerate(values) if decide(n)], [v for n, v in enumerate(values) if not decide(n)], name
        )
    if name in UNCHANGED and len(values) == 1:
        return values[0]
    if name in PASSING:
        return _extreme(passed(values, _flow(name)), name)
    return combined(values, _flow(name))


def _arguments(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> list[Value]:
    """A star is all of its columns; `count(*)` counts rows."""
    is_of_rows = function.function_name.lower() == "count" and not function.is_distinct
    values = []
    for argument in function.arguments:
        if not is_star(argument):
            values.append(value_of(argument, scope, plan=plan, bound=bound))
        elif not is_of_rows or argument.unresolved_star.unparsed_target:
            values += [column.value for column in star(argument, scope, plan=plan)]
    return values


def _flow(name: str) -> Flow:
    if name in ACCESSING:
        return "identity"
    return "aggregation" if name in AGGREGATES else "transformation"


def _extreme(value: Value, name: str) -> Value:
    """`max(struct(placed, id)).id` is an id; the whole struct decides which."""
    if name not in EXTREMES or not value.fields:
        return value
    deciding = influences(value.fields.values(), "condition")
    fields = {own: replace(each, influences=each.influences | deciding) for own, each in value.fields.items()}
    return replace(value, fields=fields)


def _chosen(deciding: Sequence[Value], outcomes: Sequence[Value], name: str) -> Value:
    value = (
        passed(outcomes, _flow(name))
        if name in (*PASSING, *CHOOSING, "if", "when")
        else combined(outcomes, _flow(name))
    )
    return replace(value, influences=value.influences | influences(deciding, "condition"))


def _within_group(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    """`listagg(name) WITHIN GROUP (ORDER BY placed)`: what is aggregated, and what it is ordered by."""
    value, *order = (value_of(argument, scope, plan=plan, bound=bound) for argument in function.arguments)
    if not value.direct:  # as percentile_cont(0.5), which is of what it is ordered by
        return combined(order, "aggregation")
    return replace(value, influences=value.influences | influences(order, "sort"))


def _map(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    """Keys and values, by turns."""
    values = [value_of(argument, scope, plan=plan, bound=bound) for argument in function.arguments]
    keys, held = combined(values[::2], "transformation"), passed(values[1::2], "transformation")
    return replace(combined(values, "transformation"), entries=(keys, held))


def _when(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    """Condition, value, condition, value, …, and a last value for all other rows."""
    values = [value_of(argument, scope, plan=plan, bound=bound) for argument in function.arguments]
    paired = len(values) // 2 * 2
    return _chosen(values[:paired:2], [*values[1:paired:2], *values[paired:]], "when")


def _decode(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    """A value, then what it may be with what that stands for, and a last one for all others; or bytes and a charset."""
    given, *pairs = (value_of(argument, scope, plan=plan, bound=bound) for argument in function.arguments)
    if len(pairs) <= 1:
        return combined([given, *pairs], "transformation")
    paired = len(pairs) // 2 * 2
    return _chosen([given, *pairs[:paired:2]], [*pairs[1:paired:2], *pairs[paired:]], "when")


def _if(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    first, *others = (value_of(argument, scope, plan=plan, bound=bound) for argument in function.arguments)
    return _chosen([first], others, "if")


def _struct(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    fields = {
        column.name: column.value for argument in function.arguments for column in _fields(argument, scope, plan, bound)
    }
    return replace(combined(fields.values(), "transformation"), fields=fields)


def _fields(argument: "Expression", scope: Scope, plan: Plan, bound: _Bound) -> list[Column]:
    if is_star(argument) or not bound:
        return columns_of(argument, scope, plan=plan)
    name = argument.alias.name[0] if argument.HasField("alias") else ""
    return [Column(name, value_of(argument, scope, plan=plan, bound=bound))]


def _zipped(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    """Structs of an element of each array, in fields that are called as the arrays."""
    columns = [column for argument in function.arguments for column in _fields(argument, scope, plan, bound)]
    fields = {column.name: _computed(column.value.element) for column in columns if column.name}
    return replace(combined([column.value for column in columns], "transformation"), fields=fields)


def _computed(value: Value) -> Value:
    return replace(passed([value], "transformation"), kind=value.kind)


def _named_struct(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    arguments = function.arguments
    fields = {
        str(literal_of(name)): value_of(value, scope, plan=plan, bound=bound)
        for name, value in zip(arguments[::2], arguments[1::2], strict=False)
    }
    return replace(combined(fields.values(), "transformation"), fields=fields)


def _higher_order(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    """Functions over the elements of arrays and maps: what their lambdas make of them, or the whole where they do
    not say."""
    name = function.function_name.lower()
    given = [argument for argument in function.arguments if not argument.HasField("lambda_function")]
    values = [value_of(argument, scope, plan=plan, bound=bound) for argument in given]
    bodies = [
        _body(argument.lambda_function, _elements(name, values), (scope, plan, bound))
        for argument in function.arguments
        if argument.HasField("lambda_function")
    ]
    if name in CHOOSING:
        return _chosen(bodies, values, name)
    made = [body for body in bodies if body.direct]
    if name == "transform" and made:
        return replace(passed(made, "transformation"), kind=made[0].kind)
    if name in ("aggregate", "reduce"):  # of an empty array it is the value that it begins with
        made.append(values[1])
    return combined(made if made and name not in KEEPING else [*values, *bodies], "transformation")


def _elements(name: str, values: Sequence[Value]) -> list[Value]:
    """What a lambda's variables stand for."""
    elements = [value.element for value in values]
    if name in ("aggregate", "reduce"):  # the result so far, and an element
        return [values[1], elements[0]]
    if name in OF_MAPS:
        return [combined(values, "identity"), *elements]
    return elements if len(elements) > 1 else [*elements, CONSTANT]  # an element and its place


def _body(function: Any, elements: Sequence[Value], place: tuple[Scope, Plan, _Bound]) -> Value:
    scope, plan, bound = place
    names = (argument.name_parts[0].lower() for argument in function.arguments)
    variables = dict(zip(names, elements, strict=False))
    return value_of(function.function, scope, plan=plan, bound={**bound, **variables})


def _variable(variable: Any, _: Scope, __: Plan, bound: _Bound) -> Value:
    first, *parts = variable.name_parts
    return bound.get(first.lower(), CONSTANT).path(parts)


def _alias(alias: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    return value_of(alias.expr, scope, plan=plan, bound=bound)


def _cast(cast: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    value = value_of(cast.expr, scope, plan=plan, bound=bound)
    return replace(combined([value], "transformation"), fields=value.fields)


def _window(window: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    value = value_of(window.window_function, scope, plan=plan, bound=bound)
    around = [*window.partition_spec, *(order.child for order in window.order_spec)]
    deciding = influences((value_of(each, scope, plan=plan, bound=bound) for each in around), "window")
    return replace(value, influences=value.influences | deciding)


def _extracted(extraction: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    value = value_of(extraction.child, scope, plan=plan, bound=bound)
    key = literal_of(extraction.extraction)
    if isinstance(key, str) and key.lower() in (name.lower() for name in value.part_names):
        return value.part(key)
    chosen = influences([value_of(extraction.extraction, scope, plan=plan, bound=bound)], "condition")
    element = value.element
    return replace(element, influences=element.influences | chosen)


def _updated(update: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    """`withField` and `dropFields`."""
    before = value_of(update.struct_expression, scope, plan=plan, bound=bound)
    is_set = update.HasField("value_expression")
    by = value_of(update.value_expression, scope, plan=plan, bound=bound) if is_set else None
    return updated(before, identifier_parts(update.field_name), by=by)


def _user_defined(function: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    values = (value_of(argument, scope, plan=plan, bound=bound) for argument in function.arguments)
    return combined(values, "aggregation" if function.python_udf.eval_type in _AGGREGATING else "transformation")


def _subquery(subquery: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    relation = plan.subplans.get(subquery.plan_id)
    inner = plan.scope(relation, outer=scope) if relation is not None else plan.scopes.get(subquery.plan_id)
    if inner is None:
        plan.unresolved.append("a subquery")
        return CONSTANT
    asked = [value_of(value, scope, plan=plan, bound=bound) for value in subquery.in_subquery_values]
    flows = CONSTANT
    if subquery.subquery_type == subquery.SUBQUERY_TYPE_SCALAR:
        flows = alternatives(inner.values[:1])
    elif asked or subquery.subquery_type == subquery.SUBQUERY_TYPE_TABLE_ARG:
        flows = combined([*asked, *inner.values], "transformation")
    return replace(flows, influences=flows.influences | inner.rows)


def _text(text: Any, scope: Scope, plan: Plan, bound: _Bound) -> Value:
    return value_of(_read(text.expression, plan), scope, plan=plan, bound=bound)


def _read(text: str, plan: Plan) -> "Expression":
    """An expression in SQL, which is nothing if it can't be followed."""
    from pyspark.sql.connect.proto import Expression

    told = plan.facts.expression(text).with_relations
    plan.subplans.update({part.common.plan_id: part for part in told.references})
    items = told.root.project.expressions
    return items[0] if items else Expression()


_MAKING: Final[Mapping[str, Callable[["Expression", Scope, Plan], list[Column]]]] = {
    "unresolved_regex": lambda it, scope, _: matching(it, scope),
    "alias": lambda it, scope, plan: _aliased(it.alias, scope, plan),
    "unresolved_attribute": lambda it, scope, plan: [_attribute_column(it.unresolved_attribute, scope, plan)],
    "expression_string": lambda it, scope, plan: columns_of(
        _read(it.expression_string.expression, plan), scope, plan=plan
    ),
}
_KINDS: Final[Mapping[str, Callable[[Any, Scope, Plan, _Bound], Value]]] = {
    "unresolved_attribute": _attribute,
    "unresolved_function": _function,
    "call_function": _function,
    "alias": _alias,
    "cast": _cast,
    "window": _window,
    "sort_order": lambda order, scope, plan, bound: value_of(order.child, scope, plan=plan, bound=bound),
    "unresolved_extract_value": _extracted,
    "update_fields": _updated,
    "unresolved_named_lambda_variable": _variable,
    "common_inline_user_defined_function": _user_defined,
    "named_argument_expression": lambda named, scope, plan, bound: value_of(named.value, scope, plan=plan, bound=bound),
    "subquery_expression": _subquery,
    "expression_string": _text,
    "direct_shuffle_partition_id": lambda it, scope, plan, bound: value_of(it.child, scope, plan=plan, bound=bound),
}
_SPECIAL: Final[Mapping[str, Callable[[Any, Scope, Plan, _Bound], Value]]] = {
    "arrays_zip": _zipped,
    "when": _when,
    "decode": _decode,
    "decode_case": _decode,  # what sqlglot calls it
    "if": _if,
    "struct": _struct,
    "named_struct": _named_struct,
    "map": _map,
    "map_from_arrays": _map,
    "within_group": _within_group,
    **dict.fromkeys(HIGHER_ORDER, _higher_order),
}
