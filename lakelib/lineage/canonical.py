"""What a plan says, as text, without what differs from run to run and has no part in lineage.

Plans with the same text, over sources with the same columns, have the same lineage. PySpark's own objects are read, not
the message that they are sent as: that one repeats an expression wherever it is used, and takes longer to make.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from lakelib.lineage.functions import GENERATORS
from lakelib.lineage.leaves import source_of, view_named
from lakelib.lineage.plan import RECURSIVE, STAR_BUT, View
from lakelib.lineage.texts import FRAME, frame_name, meant

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Relation

    from lakelib.lineage.asking import Asked

__all__ = ["Canonical"]

_PLAIN: Final = (str, bytes, int, float, type(None), date, time, timedelta, Decimal)
_COLUMN: Final = "pyspark.sql.connect.column"
_PLANS: Final = frozenset(f"pyspark.sql.connect.{name}" for name in ("expressions", "plan", "window"))
_TYPES: Final = frozenset(("pyspark.sql.types", "pyspark.sql.connect.types"))
# What lineage never looks at: where in a notebook it was written, what a Python function does, which rows are a sample.
_LEFT_OUT: Final = frozenset((("Sample", "seed"), ("StatSampleBy", "_seed"), ("PythonUDF", "_func")))
_HOLDING: Final = frozenset(("Alias", "CaseWhen", "ColumnAlias", "UnresolvedFunction", "WithColumns"))
# Lineage reads their literals: `stack(2, …)`.
_READING: Final = frozenset((*GENERATORS, "named_struct", STAR_BUT.lower()))


@dataclass
class Canonical:
    """`pinned` are the sources whose versions are said, in the order in which the text names them.

    Of the sources, `tables` are Delta folders at a version, which can be told to have kept their columns; of those in
    `asked` only the engine knows.
    """

    facts: "Asked"
    views: Mapping[str, View]
    tokens: list[str] = field(default_factory=list)
    pinned: list[tuple[str, int]] = field(default_factory=list)
    tables: dict[tuple[str, int], None] = field(default_factory=dict)
    asked: "list[Relation]" = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _seen: dict[int, int] = field(default_factory=dict)
    _is_asked: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.tokens)

    def read(self, it: Any, *, is_held: bool = False) -> None:
        """Adds what `it` says; `is_held` where of a literal only the type counts.

        Raises:
            NotImplementedError: it has something inside that has no text, such as a function in Python.
        """
        if type(it).__module__ == _COLUMN:
            it = it._expr
        if token := self._token(it, is_held=is_held):
            self.tokens.append(token)
        elif hasattr(it, "ListFields"):
            self._read_message(it)
            self._read_fields(it, ((each.name, value) for each, value in it.ListFields()))
        elif type(it).__module__ in _PLANS or isinstance(it, View):
            self._seen[id(it)] = len(self._seen)
            self._read_object(it)
        else:
            self.tokens.append("[")
            for each in _listed(it):
                self.read(each, is_held=is_held)
            self.tokens.append("]")

    def _token(self, it: Any, *, is_held: bool) -> str:
        """Of what is said in one word: a plain value, a type, a literal, or an object that was read before."""
        if isinstance(it, str):
            has_frame = "_pyspark_connect_temp_view_" in it
            return repr(FRAME.sub(lambda found: frame_name(self._number(found[0])), it) if has_frame else it)
        if isinstance(it, _PLAIN) or type(it).__module__ in _TYPES:
            return repr(it)
        if id(it) in self._seen:
            return f"#{self._seen[id(it)]}"
        return f"literal {kind}" if is_held and (kind := _literal_type(it)) else ""

    def _read_object(self, it: Any) -> None:
        match type(it).__name__:
            case "DataSource" | "Read" | "RelationChanges" | "SQL":
                self.read(it.plan(self.facts.session.client))
            case "View":
                around, self.views = self.views, it.views
                self.read([it.relation, it.views])
                self.views = around
            case name:
                if name == "SQLExpression":
                    self.read(self.facts.expression(it._expr))
                self._read_fields(it, vars(it).items())

    def _read_fields(self, it: Any, fields: Iterable[tuple[str, Any]]) -> None:
        name = type(it).__name__
        function = (getattr(it, "_name", "") or it.function_name) if name == "UnresolvedFunction" else ""
        is_holding = _is_holding(it, function.lower())
        self.tokens.append(f"<{name}")
        for each, value in fields:
            if each == "origin" or (name, each) in _LEFT_OUT:
                continue
            self.tokens.append(each)
            if value is None or value is False:  # as most are
                self.tokens.append(repr(value))
            elif "plan_id" in each or each == "_name_parts":
                self.tokens.append(f"number {self._number(str(value))}")
            elif is_holding and function == "in" and each in ("_args", "arguments"):
                self.read([part for part in value if not _literal_type(part)])  # with how many it is compared
            else:
                self.read(value, is_held=is_holding)
        self.tokens.append(">")

    def _read_message(self, it: Any) -> None:
        """What a part of a message names: sources, and what is written in SQL."""
        kind = it.WhichOneof("rel_type") if type(it).__name__ == "Relation" else type(it).__name__
        if kind == "read":
            self._read_source(it)
        elif kind == "with_relations" and it.with_relations.root.HasField("sql"):
            self.asked.append(it)
            self._is_asked = True
        elif kind == "sql":
            if not self._is_asked:
                self.asked.append(it)
            self._is_asked = False
            self.read(self.facts.query(meant(it.sql)[0]))
        elif kind == "relation_changes":
            self.asked.append(it)
        elif kind == "ExpressionString":
            self.read(self.facts.expression(it.expression))

    def _read_source(self, relation: "Relation") -> None:
        name = view_named(relation.read)
        if name.lower() in self.views or name.startswith(RECURSIVE) or FRAME.fullmatch(name):
            return
        source, version = source_of(relation.read, self.facts)
        if version >= 0 and (source, version) not in self.pinned:
            self.pinned.append((source, version))
        self.tokens += [repr(source), str(self.pinned.index((source, version)) if version >= 0 else -1)]
        files = relation.read.data_source
        if version >= 0 and files.format == "delta" and len(files.paths) == 1:
            self.tables[files.paths[0], version] = None
        else:
            self.asked.append(relation)

    def _number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))


def _is_holding(it: Any, function: str) -> bool:
    """Whether of the literals in it only the types count: lineage does not read them."""
    name = type(it).__name__
    if name == "SQL":
        return "identifier" not in it.query.lower()
    return name in _HOLDING and function not in _READING


def _literal_type(it: Any) -> str:
    """The type of what is a literal, as an object or in a message; nothing of anything else."""
    match type(it).__name__:
        case "LiteralExpression":
            return repr(it._dataType)
        case "Expression" if it.HasField("literal"):
            return str(it.literal.WhichOneof("literal_type"))
    return ""


def _is_version(option: Any, value: Any) -> bool:
    """Of a pinned source, which is named in another way."""
    return option == "versionAsOf" and str(value).isdecimal()


def _listed(it: Any) -> list[Any]:
    """What a list, a mapping or a table holds; of a table's rows, whether there are any."""
    match type(it).__name__:
        case "list" | "tuple" | "RepeatedCompositeContainer" | "RepeatedScalarContainer":
            return list(it)
        case "dict":  # in its order, in which columns are renamed
            return [(key, value) for key, value in it.items() if not _is_version(key, value)]
        case "MessageMapContainer" | "ScalarMapContainer":
            return [(key, it[key]) for key in sorted(it, key=repr) if not _is_version(key, it[key])]
        case "Table":
            return [it.num_rows > 0, *((each.name, str(each.type)) for each in it.schema)]
    raise NotImplementedError(f"{type(it).__module__}.{type(it).__name__}")
