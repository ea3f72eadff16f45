"""The catalog: what the lake holds, where it came from, and what breaks when it changes; kept in DataHub."""

from lakelib.catalog.graph import Edge, Graph, Node
from lakelib.catalog.lake import Lake
from lakelib.catalog.showing import show

__all__ = ["Edge", "Graph", "Lake", "Node", "show"]
