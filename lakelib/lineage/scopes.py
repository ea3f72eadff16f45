"""The columns that an expression can name at one place of a plan."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Final

from lakelib.lineage.values import CONSTANT, Influences, Value

__all__ = ["Column", "Scope", "by_position", "identifier_parts", "quoted"]

_numbers = count()
_PART: Final = re.compile(r"`((?:[^`]|``)*)`|([^.`]+)")


def identifier_parts(identifier: str) -> tuple[str, ...]:
    """The names that dots separate; a name in backticks may hold dots."""
    return tuple((match[1] or "").replace("``", "`") or match[2] for match in _PART.finditer(identifier))


def quoted(parts: Iterable[str]) -> str:
    return ".".join(f"`{part.replace('`', '``')}`" for part in parts)


@dataclass(frozen=True)
class Column:
    """`qualifier` is the alias or the table's name before it; `number` stays while the column is handed on."""

    name: str
    value: Value
    qualifier: tuple[str, ...] = ()
    number: int = field(default_factory=lambda: next(_numbers))

    @cached_property
    def folded(self) -> str:
        return self.name.lower()

    def is_named(self, *parts: str) -> bool:
        """Whether `parts`, in lower case, are its name with the end of its qualifier before it."""
        *qualifier, name = parts
        if self.folded != name:
            return False
        return not qualifier or [part.lower() for part in self.qualifier[-len(qualifier) :]] == qualifier


@dataclass(frozen=True)
class Scope:
    """`rows` decided which rows there are. `hidden` columns can be named with a qualifier, but a star leaves them out.

    `outer` is the scope around a correlated subquery.
    """

    columns: tuple[Column, ...] = ()
    rows: Influences = frozenset()
    hidden: tuple[Column, ...] = ()
    outer: "Scope | None" = None

    @property
    def values(self) -> list[Value]:
        return [column.value for column in self.columns]

    def find(self, parts: Sequence[str]) -> Value | None:
        """The value that an identifier names: `qualifier.column.field`, the longest qualifier first."""
        found = self.column(parts)
        if found is not None:
            return found[0].value.path(found[1])
        return self.outer.find(parts) if self.outer else None

    def column(self, parts: Sequence[str]) -> "tuple[Column, Sequence[str]] | None":
        """The column that an identifier names, of this scope alone, and the path inside it."""
        folded = [part.lower() for part in parts]
        for columns in (self.columns, self.hidden):
            for length in range(len(parts), 0, -1):
                found = next((column for column in columns if column.is_named(*folded[:length])), None)
                if found is not None:
                    return found, parts[length:]
        return None

    def handed_on(self, column: Column) -> Column:
        """What became of a column of a scope before: of the first side of a union, one of both."""
        return next((each for each in (*self.columns, *self.hidden) if each.number == column.number), column)

    def named(self, name: str) -> list[Column]:
        return [column for column in self.columns if column.is_named(name.lower())]

    def star(self, qualifier: Sequence[str]) -> list[Column]:
        """The columns of `qualifier.*`, or the fields of the struct of that name: unknown ones as one without name."""
        if not qualifier:
            return list(self.columns)
        folded = [part.lower() for part in qualifier]
        found = [column for column in self.columns if column.is_named(*folded, column.folded)]
        if found:
            return found
        struct = self.find(qualifier) or CONSTANT
        return [Column(name, struct.part(name)) for name in struct.part_names] or [Column("", struct)]

    def each(self, change: Callable[[Column], Column]) -> "Scope":
        return replace(self, columns=tuple(map(change, self.columns)))

    def qualified(self, qualifier: Sequence[str]) -> "Scope":
        return replace(self.each(lambda column: replace(column, qualifier=tuple(qualifier))), hidden=())

    def influenced(self, by: Influences) -> "Scope":
        return replace(self, rows=self.rows | by)


def by_position(left: Scope, right: Scope) -> list[tuple[Column, list[Value]]]:
    """The columns of one side, each with its values on both."""
    pairs = zip(left.columns, right.columns, strict=True)
    return [(mine, [mine.value, theirs.value]) for mine, theirs in pairs]
