"""What a plan does not tell by itself, asked from the engine and from a parser of SQL."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.proto import Relation
    from pyspark.sql.types import StructType

__all__ = ["Asked"]

_FORMAT: Final = "5"  # of what is kept: another one makes it again


@dataclass
class Asked:
    """The facts of one plan. What SQL texts mean is kept in the folder `kept`, where one is given."""

    session: "SparkSession"
    namer: Callable[[str], str]
    kept: Path | None = None
    schemas: "dict[bytes, StructType]" = field(default_factory=dict)

    def name(self, location: str) -> str:
        return self.namer(location)

    def schema(self, relation: "Relation") -> "StructType":
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
        name = hashlib.sha256(f"{_FORMAT}\n{kind}\n{text}".encode()).hexdigest()
        file = self.kept / name
        if not file.is_file():
            _write(file, read(text).SerializeToString())
        made: Relation = Relation.FromString(file.read_bytes())
        return made


def _read_expression(text: str) -> "Relation":
    from lakelib.lineage.sql import parse_expression

    return parse_expression(text)


def _read_query(text: str) -> "Relation":
    from lakelib.lineage.sql import parse_query

    return parse_query(text)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    beside.write_bytes(content)
    beside.replace(file)
