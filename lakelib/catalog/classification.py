"""Classification flows along direct lineage: what is made of a classified column is classified as it is."""

from dataclasses import dataclass

from lakelib.catalog.graph import DIRECT, Node
from lakelib.catalog.lake import Lake

__all__ = ["Inherited", "classifications", "inherited_classifications"]


@dataclass(frozen=True)
class Inherited:
    """`column` is made of `origin`, whose contract classifies it; `declared` is what its own contract says."""

    column: str
    classification: str
    origin: str
    declared: str | None


def inherited_classifications(lake: Lake) -> list[Inherited]:
    """Each column of a contract below a classified one, once for each other classification above it."""
    found: dict[tuple[str, str], Inherited] = {}
    for origin, classification in _declared(lake).items():
        for edge in lake.graph.walk(origin, "down", depth=1000, kinds=DIRECT):
            column = str(edge.target)
            told = Inherited(column, classification, str(origin), _declared(lake).get(edge.target))
            contract = lake.contracts.get(edge.target.table)
            if edge.target != origin and contract and edge.target.column in contract.column_names:
                found.setdefault((column, classification), told)
    return sorted(found.values(), key=lambda each: (each.column, each.classification))


def classifications(lake: Lake, table: str) -> dict[str, tuple[str, ...]]:
    """Of each column of a table with a contract: what that says, or what the column inherits where it says nothing."""
    found = {node.column: {told} for node, told in _declared(lake).items() if node.table == table}
    for each in inherited_classifications(lake):
        own, _, column = each.column.rpartition(".")
        if own == table and each.declared is None:
            found.setdefault(column, set()).add(each.classification)
    return {column: tuple(sorted(told)) for column, told in sorted(found.items())}


def _declared(lake: Lake) -> dict[Node, str]:
    return {
        Node(table, column.name): column.classification
        for table, contract in lake.contracts.items()
        for column in contract.columns
        if column.classification
    }
