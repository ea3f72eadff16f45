"""What breaks when a column or a table changes."""

from dataclasses import dataclass
from typing import Final

from lakelib.catalog.graph import Node
from lakelib.catalog.lake import Lake

__all__ = ["Impact", "impact_of"]

_FAR: Final = 1000


@dataclass(frozen=True)
class Impact:
    """One table that is touched: `columns` are those that are made of it; `is_decided`: its rows, or values in it, are
    decided by it."""

    table: str
    owner: str
    columns: list[str]
    is_decided: bool


def impact_of(lake: Lake, node: Node) -> list[Impact]:
    """Each table that values of `node` flow into, nearest first, and each whose rows or values they decide about.

    Of a whole table: every table downstream, with the columns that its columns flow into.
    """
    touched: dict[str, set[str]] = {}
    decided: set[str] = set()
    starts = [node, *(each for each in lake.graph.nodes if not node.column and each.table == node.table)]
    for edge in (edge for start in starts for edge in lake.graph.walk(start, "down", depth=_FAR)):
        columns = touched.setdefault(edge.target.table, set())
        if edge.target.column not in ("", "*") and edge.is_direct:
            columns.add(edge.target.column)
        if not edge.is_direct and edge.how != "read":
            decided.add(edge.target.table)
    touched.pop(node.table, None)
    return [
        Impact(table, _owner(lake, table), sorted(columns), is_decided=table in decided)
        for table, columns in touched.items()
    ]


def _owner(lake: Lake, table: str) -> str:
    contract = lake.contracts.get(table)
    return (contract.owner or "") if contract else ""
