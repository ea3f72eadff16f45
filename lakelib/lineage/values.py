"""What a value is made of: the columns that flow into it, and those that only decide about it.

The words are those of OpenLineage's column lineage facet: a value is its origin as it is (identity), is computed from
it (transformation), or from many rows of it (aggregation). What flows nowhere but chooses rows or values is an
influence.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

__all__ = [
    "CONSTANT",
    "Flow",
    "Influence",
    "Influences",
    "Lineage",
    "Origin",
    "Value",
    "alternatives",
    "combined",
    "influences",
    "passed",
    "updated",
]

Flow = Literal["identity", "transformation", "aggregation"]
Influence = Literal["condition", "filter", "group", "join", "sort", "window"]
_STRENGTH: Final[Mapping[Flow, int]] = {"identity": 0, "transformation": 1, "aggregation": 2}


@dataclass(frozen=True, order=True)
class Origin:
    """One column of a source; `column` is a path with dots where it lies inside a struct.

    `source` is a table's name, or the path, URI or database table of anything else; `version` is Delta's, -1 where it
    was not pinned.
    """

    source: str
    column: str
    version: int = -1


Influences = frozenset[tuple[Origin, Influence]]


@dataclass(frozen=True)
class Lineage:
    """`columns` has what flows into each column, `influences` what decides about its values, `rows` about all rows.

    `unresolved` names what could not be followed: there, too much is said, never too little. `is_kept` says that it was
    followed in an earlier run.
    """

    columns: Mapping[str, Mapping[Origin, Flow]]
    influences: Mapping[str, Influences]
    rows: Influences
    unresolved: tuple[str, ...] = ()
    is_kept: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Value:
    """`fields` are the parts of a struct that the plan puts together, `entries` the keys and values of a map; `kind`
    is known of what comes from a source."""

    direct: Mapping[Origin, Flow] = field(default_factory=dict)
    influences: Influences = frozenset()
    fields: Mapping[str, "Value"] = field(default_factory=dict)
    kind: "DataType | None" = None
    entries: "tuple[Value, Value] | None" = None

    def part(self, name: str) -> "Value":
        """The field `name` of a struct, also of one in an array; the whole where its fields are not known."""
        from pyspark.sql.types import StructType

        for known, value in self.fields.items():
            if known.lower() == name.lower():
                return replace(value, influences=value.influences | self.influences)
        kind = _element(self.kind)
        if isinstance(kind, StructType):
            for each in kind:
                if each.name.lower() == name.lower():
                    inside = {Origin(o.source, f"{o.column}.{each.name}", o.version): f for o, f in self.direct.items()}
                    return replace(self, direct=inside, kind=each.dataType)
        return replace(self, kind=None)

    def path(self, names: Iterable[str]) -> "Value":
        """The field of a field …"""
        value = self
        for name in names:
            value = value.part(name)
        return value

    @property
    def element(self) -> "Value":
        """One of an array's elements, or one of a map's values."""
        return self.entries[1] if self.entries else replace(self, kind=_element(self.kind))

    @property
    def part_names(self) -> list[str]:
        """Of a struct, or of the structs in an array or a map."""
        from pyspark.sql.types import StructType

        kind = _element(self.kind)
        return list(self.fields) or (kind.names if isinstance(kind, StructType) else [])


CONSTANT: Final = Value()


def combined(values: Iterable[Value], flow: Flow) -> Value:
    """What is computed from all of `values`."""
    parts = list(values)
    direct: dict[Origin, Flow] = {}
    for part in parts:
        for origin, before in part.direct.items():
            direct[origin] = max(before, flow, direct.get(origin, flow), key=_STRENGTH.__getitem__)
    return Value(direct, frozenset().union(*(part.influences for part in parts)))


def alternatives(values: Iterable[Value]) -> Value:
    """One of `values`, unchanged: the rows of a union, the outcomes of a condition; their fields side by side."""
    parts = list(values)
    if len(parts) == 1:
        return parts[0]
    kinds = [part.kind for part in parts]
    kind = kinds[0] if parts and all(kind == kinds[0] for kind in kinds) else None
    return replace(combined(parts, "identity"), fields={} if kind else _side_by_side(parts), kind=kind)


def _side_by_side(parts: Sequence[Value]) -> Mapping[str, Value]:
    names: dict[str, list[str]] = {}  # as they are written, by their lower case
    for part in parts:
        for name in part.part_names:
            names.setdefault(name.lower(), []).append(name)
    if not all(part.part_names for part in parts):
        return {}
    having = {written[0]: [p for p in parts if _has(p, folded)] for folded, written in names.items()}
    return {name: alternatives(part.part(name) for part in each) for name, each in having.items()}


def _has(value: Value, folded: str) -> bool:
    return folded in (name.lower() for name in value.part_names)


def passed(values: Iterable[Value], flow: Flow) -> Value:
    """One of `values` that a function picks, or an array of them: the parts of a struct can still be told apart."""
    parts = list(values)
    told = [part for part in parts if part.direct or part.fields]
    one = alternatives(told) if told else CONSTANT
    fields = {name: passed([each], flow) for name, each in one.fields.items()}
    return replace(combined(parts, flow), fields=fields, kind=one.kind)


def updated(struct: Value, path: Sequence[str], *, by: Value | None) -> Value:
    """The struct with another value for the field at a path; without `by`, it is left out."""
    names = struct.part_names
    if not names:  # of a struct whose fields are not known all is still there
        return combined([struct, *([by] if by is not None else [])], "transformation")
    own = next((name for name in names if name.lower() == path[0].lower()), path[0])
    fields = {name: struct.part(name) for name in names}
    if len(path) > 1:
        fields[own] = updated(fields.get(own, CONSTANT), path[1:], by=by)
    elif by is not None:
        fields[own] = by
    else:
        fields.pop(own, None)
    return replace(combined(fields.values(), "transformation"), fields=fields)


def influences(values: Iterable[Value], how: Influence) -> Influences:
    """What `values` decide about, in one way; what decided about them goes along."""
    return frozenset(
        found for value in values for found in (*((origin, how) for origin in value.direct), *value.influences)
    )


def _element(kind: "DataType | None") -> "DataType | None":
    from pyspark.sql.types import ArrayType, MapType

    match kind:
        case ArrayType():
            return kind.elementType
        case MapType():
            return kind.valueType
    return kind
