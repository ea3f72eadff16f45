"""The lineage of the whole lake as one page that needs no network."""

import json
from pathlib import Path
from typing import Any, Final

from lakelib.catalog.graph import Node
from lakelib.catalog.lake import Lake

__all__ = ["write_page"]

_TEMPLATE: Final = Path(__file__).with_name("lineage.html")


def write_page(lake: Lake, path: Path, *, focus: Node) -> None:
    """Begins at `focus`; only what is near it is drawn, so that the size of the lake does not matter."""
    # Inside a script element, "</" would end it, and "<!--" begin what hides its end.
    data = json.dumps(_data(lake, focus), separators=(",", ":")).replace("<", "\\u003c")
    path.write_text(_TEMPLATE.read_text(encoding="utf-8").replace("__LINEAGE__", data), encoding="utf-8")


def _data(lake: Lake, focus: Node) -> dict[str, Any]:
    """Columns by table, and edges as numbers of nodes."""
    nodes = sorted({*lake.graph.nodes, *map(Node, lake.contracts)})
    numbers = {node: number for number, node in enumerate(nodes)}
    return {
        "nodes": [[node.table, node.column] for node in nodes],
        "edges": [[numbers[edge.source], numbers[edge.target], edge.how] for edge in lake.graph.edges],
        "about": {name: [contract.title, contract.owner or ""] for name, contract in lake.contracts.items()},
        "focus": [focus.table, focus.column],
    }
