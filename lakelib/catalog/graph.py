"""Lineage of the whole lake, put together from the newest run of each table."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from lakelib.catalog.runs import Run
from lakelib.contracts import Contract
from lakelib.names import TableName

__all__ = ["DIRECT", "Direction", "Edge", "Graph", "Node"]

Direction = Literal["up", "down"]
DIRECT: Final = ("identity", "transformation", "aggregation")


@dataclass(frozen=True, order=True)
class Node:
    """A column of a table or of a source; without a column, all of it."""

    table: str
    column: str = ""

    def __str__(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass(frozen=True, order=True)
class Edge:
    """`how` as in receipts; "read" between tables as wholes."""

    source: Node
    target: Node
    how: str

    @property
    def is_direct(self) -> bool:
        return self.how in DIRECT


@dataclass
class Graph:
    """Edges by either end."""

    into: dict[Node, list[Edge]] = field(default_factory=lambda: defaultdict(list))
    out_of: dict[Node, list[Edge]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, runs: Iterable[Run], contracts: Mapping[str, Contract]) -> Self:
        """What the runs told, one of each table; of bronze, each column is that of its delivery."""
        graph = cls()
        for run in runs:
            for edge in dict.fromkeys((*_table_edges(run), *_column_edges(run, contracts.get(run.table)))):
                graph.add(edge)
        return graph

    def join_fields(self, contracts: Mapping[str, Contract]) -> None:
        """A field that is read by its path comes from the column that it lies in, which is written as a whole."""
        for node in self.nodes:
            columns = contracts[node.table].column_names if node.table in contracts else [node.column]
            path = node.column
            while "." in path and path not in columns:
                whole = path.rpartition(".")[0]
                edge = Edge(Node(node.table, whole), Node(node.table, path), "transformation")
                if edge not in self.into[edge.target]:
                    self.add(edge)
                path = whole

    def add(self, edge: Edge) -> None:
        self.into[edge.target].append(edge)
        self.out_of[edge.source].append(edge)

    @property
    def nodes(self) -> list[Node]:
        return sorted({*self.into, *self.out_of})

    @property
    def edges(self) -> list[Edge]:
        return sorted(edge for edges in self.into.values() for edge in edges)

    def next(self, node: Node, direction: Direction, *, kinds: Sequence[str] = ()) -> list[Edge]:
        """The edges of one step from a node: `up` to what it is made of, `down` to what is made of it."""
        edges = self.into if direction == "up" else self.out_of
        return [edge for edge in edges.get(node, ()) if not kinds or edge.how in kinds]

    def walk(self, start: Node, direction: Direction, *, depth: int, kinds: Sequence[str] = ()) -> Iterator[Edge]:
        """Every edge within `depth` steps, nearest first, each once."""
        reached, ring = {start}, [start]
        for _ in range(depth):
            edges = [edge for node in ring for edge in self.next(node, direction, kinds=kinds)]
            yield from edges
            ends = dict.fromkeys(edge.source if direction == "up" else edge.target for edge in edges)
            ring = [node for node in ends if node not in reached]
            reached.update(ring)


def _table_edges(run: Run) -> Iterator[Edge]:
    target = Node(run.table)
    for edge in run.receipt["lineage"]:
        yield Edge(Node(edge["source"]), target, "read")
    for each in run.column_lineage:
        if each["source"] != run.table:
            yield Edge(Node(each["source"]), target, "read")
    quarantine = str(TableName.parse(run.table).quarantine)
    if any(write["table"] == quarantine for write in run.writes):
        yield Edge(target, Node(quarantine), "read")


def _column_edges(run: Run, contract: Contract | None) -> Iterator[Edge]:
    for each in run.column_lineage:
        target = Node(run.table, each["column"])
        yield Edge(Node(each["source"], each["source_column"]), target, each["how"])
    if not run.column_lineage and contract is not None:
        for source in run.sources:
            for name in contract.column_names:
                yield Edge(Node(source, name), Node(run.table, name), "identity")
