"""Which notebooks run, and which waits for which: the graph of what they read and write."""

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from lakelib.contracts import Contract, load_contract
from lakelib.errors import ContractError, NotebookError, UsageError, closest
from lakelib.names import LAYERS, TableName
from lakelib.runner.facts import Notebook

__all__ = ["Graph", "graph_of", "mermaid", "referred_tables", "select", "upstream_graph", "waits_for"]

Graph = Mapping[str, frozenset[str]]


def upstream_graph(notebooks: Sequence[Notebook]) -> Graph:
    """The `graph_of` what the notebooks read and what their tables' contracts refer to."""
    reads = {str(notebook.table): notebook.reads for notebook in notebooks}
    return graph_of(reads, {str(notebook.table): _referred_to(notebook) for notebook in notebooks})


def graph_of(reads: Mapping[str, Sequence[str]], references: Mapping[str, Collection[str]]) -> Graph:
    """Each table with the tables that its notebook reads, or its rows have to refer to, and other notebooks write.

    `reads` has each table that a notebook writes, with what it reads. A quarantine table is written by the notebook
    whose rows it holds. Platform tables (`bronze._manifest`) and the notebook's own table make no edge.

    Raises:
        NotebookError: a table is read that no notebook writes, or tables wait for one another in a circle.
    """
    graph = {table: _upstream(table, reads) | (reads.keys() & references[table]) for table in reads}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise NotebookError(
            f"The notebooks wait for one another in a circle: {circle}.", hint="One of them has to read less."
        ) from error
    return graph


def referred_tables(contract: Contract) -> frozenset[str]:
    """The tables of the contract's `relationships`: a write checks its rows against them."""
    rules = (rule for rule in contract.rules if rule.check == "reference" and rule.level == "error")
    return frozenset(str(rule.argument.table) for rule in rules)


def select(
    notebooks: Sequence[Notebook], names: Sequence[str], *, graph: Graph, with_upstream: bool = False
) -> list[Notebook]:
    """The notebooks that `names` (tables or layers; none means all) stand for, each after those it waits for.

    `graph` is of all `notebooks`. `with_upstream` adds everything they read, directly or not.
    """
    by_table = {str(notebook.table): notebook for notebook in notebooks}
    chosen = {table for name in names for table in _tables(name, by_table)} if names else set(by_table)
    if with_upstream:
        chosen |= {table for one in chosen for table in _ancestors(one, graph)}
    return [by_table[table] for table in TopologicalSorter(graph).static_order() if table in chosen]


def waits_for(notebooks: Sequence[Notebook], graph: Graph) -> Graph:
    """The graph among the selected notebooks only; what is not selected still passes the order on."""
    chosen = {str(notebook.table) for notebook in notebooks}
    return {table: _ancestors(table, graph) & chosen for table in chosen}


def mermaid(notebooks: Sequence[Notebook], graph: Graph) -> str:
    """The graph as a Mermaid flowchart, sources included."""
    sources = sorted({source for notebook in notebooks for source in notebook.sources})
    numbers = {source: f"source{number}" for number, source in enumerate(sources)}
    nodes = [f'  {number}[/"{source}"/]' for source, number in numbers.items()]
    arrivals = [f"  {numbers[source]} --> {notebook.table}" for notebook in notebooks for source in notebook.sources]
    edges = [f"  {upstream} --> {table}" for table, reads in graph.items() for upstream in sorted(reads)]
    return "\n".join(["flowchart LR", *nodes, *arrivals, *edges])


def _upstream(table: str, reads: Mapping[str, Sequence[str]]) -> frozenset[str]:
    writers = {writer for read in reads[table] if (writer := _writer(TableName.parse(read))) not in (None, table)}
    for writer in sorted(writers - reads.keys()):
        raise NotebookError(
            f"notebooks/{table.replace('.', '/')}.ipynb reads {writer}; no notebook writes it.",
            hint=closest(writer, sorted(reads)),
        )
    return frozenset(writers)


def _referred_to(notebook: Notebook) -> frozenset[str]:
    project = notebook.path.parents[2]
    try:
        return referred_tables(load_contract(notebook.table, project / "contracts"))
    except ContractError:  # a run says so itself, before it starts a notebook
        return frozenset()


def _writer(table: TableName) -> str | None:
    if table.table.startswith("_"):
        return None
    return table.table.replace("__", ".", 1) if table.layer == "quarantine" else str(table)


def _tables(name: str, by_table: Mapping[str, Notebook]) -> list[str]:
    if name in by_table:
        return [name]
    of_layer = [table for table, notebook in by_table.items() if notebook.table.layer == name]
    if of_layer:
        return of_layer
    raise UsageError(
        f"{name} was asked for; no notebook and no layer is named so.", hint=closest(name, [*LAYERS, *sorted(by_table)])
    )


def _ancestors(table: str, graph: Graph) -> frozenset[str]:
    found: set[str] = set()
    ring = {table}
    while ring := {upstream for each in ring for upstream in graph[each]} - found:
        found |= ring
    return frozenset(found)
