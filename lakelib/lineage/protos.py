"""Parts of plans, made from plain values: protobuf takes dicts for the messages inside, which its types do not say."""

from typing import Any

from pyspark.sql.connect.proto import Expression, Relation

__all__ = ["expression", "relation"]


def relation(**kind: Any) -> Relation:
    """One of the kinds of relations, by its field's name."""
    return Relation(**kind)


def expression(**kind: Any) -> Expression:
    """One of the kinds of expressions, by its field's name."""
    return Expression(**kind)
