"""A table at a glance, for people in JupyterLab."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from lakelib.catalog.graph import DIRECT, Node
from lakelib.catalog.lake import Lake
from lakelib.catalog.runs import Run
from lakelib.contracts import Column, Contract
from lakelib.errors import ContractNotFoundError, closest
from lakelib.settings import load_settings

__all__ = ["TableCard", "show"]


def show(table: str) -> "TableCard":
    """What there is to know of a table: its columns and what they are made of, its owner, its newest run.

    Raises:
        ContractNotFoundError: no table with a contract is named so.
    """
    lake = Lake(load_settings())
    if table not in lake.contracts:
        raise ContractNotFoundError(
            f"{table} was asked for; no contract describes a table of that name.",
            hint=closest(table, list(lake.contracts)),
        )
    return TableCard(lake, lake.contracts[table], lake.newest.get(table))


@dataclass(frozen=True, repr=False)
class TableCard:
    """Text in a console, two small tables in a notebook."""

    lake: Lake
    contract: Contract
    newest: Run | None

    def facts(self) -> list[tuple[str, str]]:
        return [(label, text) for label, text in self._facts() if text]

    def columns(self) -> list[tuple[str, str, str, str]]:
        """Name, type, description, and what flows into it."""
        return [
            (column.name, _type(column), column.description, self._origins(column.name))
            for column in self.contract.columns
        ]

    def _facts(self) -> Iterator[tuple[str, str]]:
        name = Node(str(self.contract.name))
        yield "table", f"{name}: {self.contract.title}"
        yield "a row is", self.contract.description
        yield "owner", ", ".join(filter(None, (self.contract.owner, self.contract.domain)))
        promised = (
            f"{level.property} {level.value} {level.unit or ''}".strip() for level in self.contract.service_levels
        )
        yield "promised", ", ".join(promised)
        if self.newest is not None:
            receipt = self.newest.receipt
            yield "newest run", f"{receipt['finished_at'][:16].replace('T', ' ')} UTC, {self.newest.status}"
            yield "deliveries to", receipt["end_date"] or ""
            yield "rows of it", ", ".join(f"{number:,} {what}" for what, number in receipt["rows"].items() if number)
            yield "rules broken", ", ".join(f"{rule['rule']} ({rule['rows']:,} rows)" for rule in receipt["rules"])
        yield "made of", _listed(str(edge.source) for edge in self.lake.graph.next(name, "up", kinds=["read"]))
        yield "goes into", _listed(str(edge.target) for edge in self.lake.graph.next(name, "down", kinds=["read"]))

    def _origins(self, column: str) -> str:
        node = Node(str(self.contract.name), column)
        return _listed(str(edge.source) for edge in self.lake.graph.next(node, "up", kinds=DIRECT))

    def __repr__(self) -> str:
        facts = [f"{label:<14}{text}" for label, text in self.facts()]
        columns = [
            f"  {name} {kind}" + (f" <- {origins}" if origins else "") for name, kind, _, origins in self.columns()
        ]
        return "\n".join([*facts, "columns", *columns])

    def _repr_html_(self) -> str:
        facts = "".join(f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in self.facts())
        rows = "".join("<tr>" + "".join(f"<td>{escape(t)}</td>" for t in row) + "</tr>" for row in self.columns())
        head = "<tr><th>column</th><th>type</th><th>description</th><th>made of</th></tr>"
        return f'<table class="lake-facts">{facts}</table><table class="lake-columns">{head}{rows}</table>'


def _type(column: Column) -> str:
    return " ".join(filter(None, (column.type, "key" if column.key else "", column.classification)))


def _listed(names: Iterator[str]) -> str:
    return ", ".join(sorted(dict.fromkeys(names)))
