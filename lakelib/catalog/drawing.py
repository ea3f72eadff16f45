"""Lineage as text, Mermaid and plain values."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from lakelib.catalog.graph import DIRECT, Direction, Edge, Graph, Node

__all__ = ["as_decisions", "as_mermaid", "as_tree", "as_values", "kinds_of"]

_TABLES: Final = ("read",)


def kinds_of(node: Node) -> Sequence[str]:
    """Which edges are followed from a node: those between tables, or those along which values flow."""
    return DIRECT if node.column else _TABLES


def as_tree(graph: Graph, node: Node, *, direction: Direction, depth: int) -> Iterator[str]:
    """Lines, each indented under what it is reached from; what was shown above is not unfolded again."""
    yield str(node)
    yield from _branches(graph, node, direction, depth=depth, before="", shown={node})


def _branches(
    graph: Graph, node: Node, direction: Direction, *, depth: int, before: str, shown: set[Node]
) -> Iterator[str]:
    edges = _merged(graph.next(node, direction, kinds=kinds_of(node)), direction) if depth else []
    for number, (end, how) in enumerate(edges, 1):
        is_last = number == len(edges)
        again = " …" if end in shown and graph.next(end, direction, kinds=kinds_of(end)) else ""
        yield f"{before}{'└─ ' if is_last else '├─ '}{end}{f'  ({how})' if how else ''}{again}"
        if end not in shown:
            shown.add(end)
            inner = before + ("   " if is_last else "│  ")
            yield from _branches(graph, end, direction, depth=depth - 1, before=inner, shown=shown)


def _merged(edges: Iterable[Edge], direction: Direction) -> list[tuple[Node, str]]:
    """Each end once, with all the ways that lead to it."""
    ways: dict[Node, set[str]] = {}
    for edge in edges:
        ways.setdefault(edge.source if direction == "up" else edge.target, set()).add(edge.how)
    return [(end, ", ".join(sorted(how - {"read"}))) for end, how in sorted(ways.items())]


def as_decisions(graph: Graph, node: Node) -> Iterator[str]:
    """What decides about the values of a column, and about the rows it is in."""
    for about, place in (("its values", node), ("its rows", Node(node.table, "*"))):
        edges = [edge for edge in graph.next(place, "up") if not edge.is_direct and edge.how != "read"]
        if node.column and edges:
            yield f"decided about {about}: {', '.join(f'{edge.source} ({edge.how})' for edge in sorted(edges))}"


def as_mermaid(edges: Iterable[Edge]) -> str:
    """A flowchart from left to right, for a page or a README."""
    names: dict[Node, str] = {}
    lines = ["flowchart LR"]
    for edge in sorted(set(edges)):
        for node in (edge.source, edge.target):
            if node not in names:
                names[node] = f"n{len(names)}"
                lines.append(f'    {names[node]}["{_escaped(str(node))}"]')
        label = "" if edge.how == "read" else f"|{edge.how}|"
        lines.append(f"    {names[edge.source]} -->{label} {names[edge.target]}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;")


def as_values(edges: Iterable[Edge]) -> list[dict[str, Any]]:
    return [{"source": str(edge.source), "target": str(edge.target), "how": edge.how} for edge in edges]
