"""What the catalog knows of a lake: its contracts, its runs, its graph."""

from dataclasses import dataclass
from functools import cached_property

from upath import UPath

from lakelib.catalog.graph import Graph, Node
from lakelib.catalog.runs import Run, newest_with_lineage, read_runs, receipts_of
from lakelib.contracts import Contract, load_contract
from lakelib.errors import TableNotFoundError, closest
from lakelib.names import LAYERS, TableName
from lakelib.settings import Settings

__all__ = ["Lake"]


@dataclass(frozen=True)
class Lake:
    """Read from the files of the project and of the archive, each when it is first asked for."""

    settings: Settings

    @cached_property
    def contracts(self) -> dict[str, Contract]:
        """By the tables' names, in the order of layers and names."""
        folder = self.settings.project / "contracts"
        names = [TableName(layer, path.stem) for layer in LAYERS for path in sorted((folder / layer).glob("*.yml"))]
        return {str(name): load_contract(name, folder) for name in names}

    @cached_property
    def receipts(self) -> dict[str, UPath]:
        """Where they lie, by run id."""
        return receipts_of(self.settings.archive)

    @property
    def runs(self) -> list[Run]:
        """All that have ended, in the order of their ends; each receipt is read."""
        return read_runs(self.receipts.values())

    @cached_property
    def newest(self) -> dict[str, Run]:
        """By its table, the newest run that told lineage."""
        return newest_with_lineage(self.receipts.values())

    @cached_property
    def graph(self) -> Graph:
        graph = Graph.of(self.newest.values(), self.contracts)
        graph.join_fields(self.contracts)
        return graph

    def node(self, asked: str) -> Node:
        """The table, column or source of that name.

        Raises:
            TableNotFoundError: there is none; the hint has the closest.
        """
        nodes = {str(node): node for node in (*self.graph.nodes, *map(Node, self.contracts), *self._columns())}
        if asked not in nodes:
            known = [name for name, node in nodes.items() if not node.column]
            raise TableNotFoundError(
                f"{asked} was asked for; the lineage of the lake has no table, column or source of that name.",
                hint=closest(asked, known),
            )
        return nodes[asked]

    def _columns(self) -> list[Node]:
        return [Node(table, name) for table, contract in self.contracts.items() for name in contract.column_names]
