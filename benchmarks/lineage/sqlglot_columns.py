"""What sqlglot's own `lineage` says of a text: it is given the tables' columns and their types."""

from typing import Any, Final

from sqlglot import exp, parse_one
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify

from tests.lineage.shapes import Shape

_DIALECT: Final = "databricks"
_TYPED: Final[Any] = {
    "orders": {
        "id": "int",
        "customer": "int",
        "amount": "double",
        "placed": "date",
        "address": "struct<city:string,zip:string>",
        "items": "array<struct<sku:string,price:double>>",
        "tags": "map<string,string>",
    },
    "customers": {"id": "int", "name": "string", "email": "string", "country": "string"},
}


def columns_of_text(shape: Shape) -> dict[str, set[str]]:
    text = str(shape.build)
    query = qualify(parse_one(text, dialect=_DIALECT), schema=_TYPED, dialect=_DIALECT)
    return {name: _origins(lineage(name, text, schema=_TYPED, dialect=_DIALECT)) for name in query.named_selects}


def _origins(root: Node) -> set[str]:
    leaves = (node for node in root.walk() if not node.downstream and isinstance(node.expression, exp.Table))
    return {
        f"{node.expression.name}.{node.name.rpartition('.')[2]}".replace('"', "").replace("`", "") for node in leaves
    }
