"""What lineage has to know of functions by their names; any other is computed from all of its arguments."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from lakelib.lineage.plan import UNPIVOT
from lakelib.lineage.values import CONSTANT, Value, alternatives, combined, passed

__all__ = [
    "ACCESSING",
    "AGGREGATES",
    "CHOOSING",
    "DECIDING",
    "EXTREMES",
    "GENERATORS",
    "HIGHER_ORDER",
    "KEEPING",
    "OF_MAPS",
    "PASSING",
    "UNCHANGED",
]

AGGREGATES: Final = frozenset(
    (
        *("any", "any_value", "approx_count_distinct", "approx_percentile", "array_agg", "avg", "bit_and", "bit_or"),
        *("bit_xor", "bool_and", "bool_or", "collect_list", "collect_set", "corr", "count", "count_distinct"),
        *("count_if", "covar_pop", "covar_samp", "every", "first", "first_value", "grouping", "histogram_numeric"),
        *("kurtosis", "last", "last_value", "listagg", "max", "max_by", "mean", "median", "min", "min_by", "mode"),
        *("percentile", "percentile_approx", "percentile_cont", "percentile_disc", "product", "regr_avgx"),
        *("regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy"),
        *("skewness", "some", "std", "stddev", "stddev_pop", "stddev_samp", "string_agg", "sum", "sum_distinct"),
        *("try_avg", "try_sum", "var_pop", "var_samp", "variance"),
    )
)
ACCESSING: Final = frozenset(("element_at", "get", "try_element_at"))  # what they give is as it was
HIGHER_ORDER: Final = frozenset(
    (
        *("aggregate", "array_sort", "exists", "filter", "forall", "map_filter", "map_zip_with", "reduce"),
        *("transform", "transform_keys", "transform_values", "zip_with"),
    )
)
CHOOSING: Final = frozenset(("array_sort", "filter", "map_filter"))  # elements stay as they are
KEEPING: Final = frozenset(("map_zip_with", "transform_keys", "transform_values"))  # keys or values stay
UNCHANGED: Final = frozenset(("assert_true", "outer"))
OF_MAPS: Final = frozenset(("map_filter", "map_zip_with", "transform_keys", "transform_values"))
# What they give is one of the values that they are given, or an array with these.
PASSING: Final = frozenset(
    (
        *("any_value", "array", "array_agg", "array_append", "array_compact", "array_distinct", "array_except"),
        *("array_insert", "array_intersect", "array_prepend", "array_union", "coalesce", "collect_list"),
        *("collect_set", "concat", "element_at", "elt", "first", "first_value", "flatten", "get", "greatest", "ifnull"),
        *("lag", "last", "last_value", "lead", "least", "max", "max_by", "min", "min_by", "mode", "nth_value"),
        *("nullif", "nvl", "nvl2", "reverse", "shuffle", "slice", "sort_array", "try_element_at"),
    )
)
EXTREMES: Final = frozenset(("greatest", "least", "max", "min"))  # all fields of a struct decide which one it is
# Whether an argument, by its place, only decides which of the others is the value.
DECIDING: Final[Mapping[str, Callable[[int], bool]]] = {
    "array_except": lambda place: place == 1,
    "element_at": lambda place: place == 1,
    "elt": lambda place: place == 0,
    "filter_clause": lambda place: place == 1,
    "get": lambda place: place == 1,
    "max_by": lambda place: place == 1,
    "min_by": lambda place: place == 1,
    "nullif": lambda place: place == 1,
    "nvl2": lambda place: place == 0,
    "try_element_at": lambda place: place == 1,
}


Generated = list[tuple[str, Value]]


def _explode(arguments: Sequence[Value], _: Sequence[Any]) -> Generated:
    from pyspark.sql.types import MapType

    element = _computed(arguments[0].element)
    if arguments[0].entries is not None:
        return [("key", _computed(arguments[0].entries[0])), ("value", element)]
    if isinstance(arguments[0].kind, MapType):
        return [("key", combined(arguments, "transformation")), ("value", element)]
    return [("col", element)]


def _posexplode(arguments: Sequence[Value], literals: Sequence[Any]) -> Generated:
    return [("pos", CONSTANT), *_explode(arguments, literals)]


def _inline(arguments: Sequence[Value], _: Sequence[Any]) -> Generated:
    rows = arguments[0].element
    return [(name, _computed(rows.part(name))) for name in rows.part_names] or [("", _computed(rows))]


def _stack(arguments: Sequence[Value], literals: Sequence[Any]) -> Generated:
    """`stack(n, a1, b1, a2, b2, …)` makes n rows."""
    return [(f"col{place}", combined(held, "transformation")) for place, held in _columns(arguments, literals)]


def _unpivot(arguments: Sequence[Value], literals: Sequence[Any]) -> Generated:
    """As `stack`, of values that are of one type as they are."""
    return [("", alternatives(held)) for _, held in _columns(arguments, literals)]


def _columns(arguments: Sequence[Value], literals: Sequence[Any]) -> Iterator[tuple[int, Sequence[Value]]]:
    values = arguments[1:]
    width = max(-(-len(values) // (literals[0] or 1)), 1)
    return ((place, values[place::width]) for place in range(width))


def _json_tuple(arguments: Sequence[Value], _: Sequence[Any]) -> Generated:
    return [(f"c{place}", combined(arguments[:1], "transformation")) for place in range(len(arguments) - 1)]


def _computed(value: Value) -> Value:
    return replace(passed([value], "transformation"), kind=value.kind)


# The columns that each makes, with the names that they have without an alias.
GENERATORS: Final[Mapping[str, Callable[[Sequence[Value], Sequence[Any]], Generated]]] = {
    "explode": _explode,
    "explode_outer": _explode,
    "posexplode": _posexplode,
    "posexplode_outer": _posexplode,
    "inline": _inline,
    "inline_outer": _inline,
    "stack": _stack,
    "json_tuple": _json_tuple,
    UNPIVOT: _unpivot,
}
