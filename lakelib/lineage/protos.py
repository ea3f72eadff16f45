"""Parts of plans, made from plain values: protobuf takes dicts for the messages inside, which its types do not say."""

from collections.abc import Iterable
from typing import Any

from pyspark.sql.connect.proto import Expression, Relation

from lakelib.lineage.plan import STAR_BUT

__all__ = ["expression", "relation", "star_but"]


def relation(**kind: Any) -> Relation:
    """One of the kinds of relations, by its field's name."""
    return Relation(**kind)


def expression(**kind: Any) -> Expression:
    """One of the kinds of expressions, by its field's name."""
    return Expression(**kind)


def star_but(qualifier: str, *, left_out: Iterable[str]) -> Expression:
    """`qualifier.* EXCEPT (left_out)`; what is left out are identifiers, of columns or of fields in them."""
    star = expression(unresolved_star={"unparsed_target": f"{qualifier}.*"} if qualifier else {})
    names = [expression(literal={"string": name}) for name in left_out]
    return expression(unresolved_function={"function_name": STAR_BUT, "arguments": [star, *names]}) if names else star
