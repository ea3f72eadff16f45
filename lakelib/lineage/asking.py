"""What a plan does not tell by itself, asked from the engine and from a parser of SQL."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakelib.files import write_whole
from lakelib.lineage.leaves import LOCAL

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.proto import Relation
    from pyspark.sql.types import StructType

__all__ = ["CODE", "Asked"]


def _code() -> str:
    """What tells this code, and that of the libraries whose plans and texts it reads, from any other."""
    own = [file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py"))]
    libraries = [version(name).encode() for name in ("pyspark", "sqlglot")]
    return hashlib.sha256(b"\n".join((*own, *libraries))).hexdigest()


CODE: Final = _code()  # what other code kept is not read
_SOURCES: Final = frozenset(("read", "relation_changes", "sql", "to_schema", *LOCAL))


@dataclass
class Asked:
    """The facts of one plan. What SQL texts mean is kept in the folder `kept`, where one is given.

    `is_of_sources` is false once the engine was asked for the columns of a part that it had to work out, as for those
    that a pivot makes of values.
    """

    session: "SparkSession"
    namer: Callable[[str], str]
    kept: Path | None = None
    schemas: "dict[bytes, StructType]" = field(default_factory=dict)
    is_of_sources: bool = True

    def name(self, location: str) -> str:
        return self.namer(location)

    def schema(self, relation: "Relation") -> "StructType":
        self.is_of_sources &= _kind(relation) in _SOURCES
        told = relation.read if relation.HasField("read") else relation  # the same for each read of a table
        key = told.SerializeToString(deterministic=True)
        if key not in self.schemas:
            from pyspark.sql.connect.proto import Plan

            self.schemas[key] = self.session.client.schema(Plan(root=relation))
        return self.schemas[key]

    def expression(self, text: str) -> "Relation":
        return self._kept("expression", text, _read_expression)

    def query(self, text: str) -> "Relation":
        return self._kept("query", text, _read_query)

    def _kept(self, kind: str, text: str, read: "Callable[[str], Relation]") -> "Relation":
        from pyspark.sql.connect.proto import Relation

        if self.kept is None:
            return read(text)
        name = hashlib.sha256(f"{CODE}\n{kind}\n{text}".encode()).hexdigest()
        file = self.kept / name
        if not file.is_file():
            write_whole(file, read(text).SerializeToString())
        made: Relation = Relation.FromString(file.read_bytes())
        return made


def _read_expression(text: str) -> "Relation":
    from lakelib.lineage.sql import parse_expression

    return parse_expression(text)


def _read_query(text: str) -> "Relation":
    from lakelib.lineage.sql import parse_query

    return parse_query(text)


def _kind(relation: "Relation") -> str:
    """What a relation is; of a text with its views, or of rows with their names, what these are."""
    kind = relation.WhichOneof("rel_type") or ""
    if kind == "with_relations":
        return _kind(relation.with_relations.root)
    return _kind(relation.to_df.input) if kind == "to_df" else kind
