"""What a notebook says about itself, read from its syntax tree before a kernel starts."""

import ast
import json
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from lakelib.errors import NotebookError, TableNameError
from lakelib.names import LAYERS, TableName

__all__ = ["CodeCell", "Notebook", "Parameter", "find_notebooks", "read_notebook"]

_Trees = Sequence[tuple[str, ast.Module]]
INGEST_VERBS: Final = frozenset({"Source", "api", "csv", "database", "json", "jsonl", "parquet", "sqlite", "xml"})


@dataclass(frozen=True)
class Parameter:
    """One assignment of the cell tagged `parameters`; its trailing comment is the help.

    `annotation` is source text. Without one, the default's type counts; without a default, a value must be given.
    """

    name: str
    annotation: str
    default: Any
    is_required: bool
    help: str


@dataclass(frozen=True)
class CodeCell:
    """`number` counts from 1 over all cells of the notebook, as people and errors do."""

    number: int
    source: str
    is_parameters: bool


@dataclass(frozen=True)
class Notebook:
    """`text` is the file as it was read: what is checked is what is executed, whatever an editor saves meanwhile.

    `reads` may hold the table itself. `sources` are the first arguments of the `ingest` verbs.
    """

    path: Path
    table: TableName
    title: str
    parameters: Sequence[Parameter]
    reads: Sequence[str]
    sources: Sequence[str]
    text: str = field(repr=False)
    code: Sequence[CodeCell] = field(repr=False)


@dataclass(frozen=True)
class _Literal:
    """A string literal that names a table or a source, and where it stands."""

    value: str
    place: str


def find_notebooks(project: Path) -> list[Notebook]:
    """Every `notebooks/<layer>/<table>.ipynb` of the project, in the order of layers and names.

    Raises:
        NotebookError: a notebook can't be read, names a table by anything but a literal, has not exactly one
            `start`, or writes another table than its file is named for.
    """
    folder = project / "notebooks"
    found = [read_notebook(path, folder) for layer in LAYERS for path in sorted((folder / layer).glob("*.ipynb"))]
    if not found:
        raise NotebookError(
            f"Notebooks were looked for in {folder}; there are none.",
            hint="A notebook's place is notebooks/<layer>/<table>.ipynb.",
        )
    _check_one_writer_a_table(found)
    for notebook in found:
        _check_file_name(notebook)
    return found


def read_notebook(path: Path, folder: Path) -> Notebook:
    """The facts of one notebook below `folder`, the project's notebooks."""
    place = f"{folder.name}/{path.relative_to(folder)}"
    text = path.read_text(encoding="utf-8")
    try:
        cells = json.loads(text)["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotebookError(f"{place} was read as a notebook and is none: {error}.", hint="Save it again.") from error
    code = _code_cells(cells)
    trees = [(f"{place}, cell {cell.number}", _tree(cell, place)) for cell in code]
    parameters = _parameters(code, place)
    _check_dates(trees, {parameter.name for parameter in parameters})
    reads = dict.fromkeys(_table_name(read) for read in _literals(trees, "tables.read", _is_table_read))
    return Notebook(
        path=path,
        table=_target(trees, place),
        title=_title(cells),
        parameters=parameters,
        reads=[str(read) for read in reads],
        sources=[source.value for source in _literals(trees, "ingest", _is_ingest)],
        text=text,
        code=code,
    )


def _code_cells(cells: Sequence[dict[str, Any]]) -> list[CodeCell]:
    tagged = next((n for n, cell in enumerate(cells, 1) if "parameters" in cell.get("metadata", {}).get("tags", [])), 0)
    return [
        CodeCell(number, "".join(cell["source"]), is_parameters=number == tagged)
        for number, cell in enumerate(cells, 1)
        if cell["cell_type"] == "code"
    ]


def _title(cells: Sequence[dict[str, Any]]) -> str:
    prose = (line for cell in cells if cell["cell_type"] == "markdown" for line in "".join(cell["source"]).splitlines())
    return next((line.lstrip("# ").strip() for line in prose if line.startswith("# ")), "")


def _tree(cell: CodeCell, place: str) -> ast.Module:
    try:
        return ast.parse(cell.source)
    except SyntaxError as error:
        raise NotebookError(
            f"{place}, cell {cell.number}, line {error.lineno} is not Python: {(error.text or '').strip()}",
            hint="A production notebook has no magics and no shell commands; the rest is a typing error.",
        ) from error


def _is_table_read(function: ast.expr) -> bool:
    return ast.unparse(function) in {"tables.read", "tables.changes"}


def _is_ingest(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and (
        ast.unparse(function.value) == "ingest" and function.attr in INGEST_VERBS
    )


def _is_start(function: ast.expr) -> bool:
    return ast.unparse(function) in {"start", "lakelib.start"}


def _literals(trees: _Trees, asked: str, is_asked: Callable[[ast.expr], bool]) -> list[_Literal]:
    """First arguments of the calls whose function `is_asked`, each value once."""
    found: dict[str, _Literal] = {}
    for cell, tree in trees:
        for call in _calls(tree):
            if is_asked(call.func):
                literal = _first_argument(call, f"{cell}, line {call.lineno}", asked)
                found.setdefault(literal.value, literal)
    return list(found.values())


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    yield from sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def _first_argument(call: ast.Call, place: str, asked: str) -> _Literal:
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return _Literal(first.value, place)
    raise NotebookError(
        f"{place}: {asked} wants its name as a text literal; found {ast.unparse(first) if first else 'nothing'}.",
        hint="The graph is read from the code without running it: write the name itself, in quotes, first.",
    )


def _target(trees: _Trees, place: str) -> TableName:
    starts = [(cell, call) for cell, tree in trees for call in _calls(tree) if _is_start(call.func)]
    if len(starts) != 1:
        raise NotebookError(
            f"{place} calls start {len(starts)} times; a notebook writes one table and starts once.",
            hint='Write run = start("layer.table") once, after the parameters.',
        )
    cell, call = starts[0]
    return _table_name(_first_argument(call, f"{cell}, line {call.lineno}", "start"))


def _check_dates(trees: _Trees, parameters: set[str]) -> None:
    """A run must not cover other days than it was asked for because a tag was forgotten."""
    for cell, call in ((cell, call) for cell, tree in trees for call in _calls(tree) if _is_start(call.func)):
        given = {each.value.id for each in call.keywords if isinstance(each.value, ast.Name)}
        if missing := sorted(given - parameters):
            raise NotebookError(
                f"{cell}, line {call.lineno}: start is given {', '.join(missing)}, which is no parameter.",
                hint="Define it in the cell with the tag `parameters` (in JupyterLab: property inspector, cell tags).",
            )


def _table_name(literal: _Literal) -> TableName:
    try:
        return TableName.parse(literal.value)
    except TableNameError as error:
        raise NotebookError(f"{literal.place}: {error.message}", hint=error.hint) from error


def _parameters(code: Sequence[CodeCell], place: str) -> list[Parameter]:
    cell = next((cell for cell in code if cell.is_parameters), None)
    if cell is None:
        return []
    comments = _comments(cell.source)
    statements = ast.parse(cell.source).body
    return [_parameter(s, comments.get(s.end_lineno or 0, ""), f"{place}, cell {cell.number}") for s in statements]


def _parameter(statement: ast.stmt, comment: str, cell: str) -> Parameter:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            return Parameter(name, ast.unparse(annotation), _default(value, cell), value is None, comment)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return Parameter(name, "", _default(value, cell), False, comment)
    raise NotebookError(
        f"{cell}, line {statement.lineno}: the parameters cell holds {ast.unparse(statement)!r}.",
        hint="Only typed literals stand there, as in: limit: int = 10  # what it is for",
    )


def _default(value: ast.expr | None, cell: str) -> Any:
    if value is None:
        return None
    try:
        return ast.literal_eval(value)
    except ValueError as error:
        raise NotebookError(
            f"{cell}, line {value.lineno}: the default {ast.unparse(value)} is not a literal.",
            hint='A default is known without running code, a date as ISO text: "2013-01-01".',
        ) from error


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def _check_one_writer_a_table(notebooks: Sequence[Notebook]) -> None:
    table, writers = Counter(notebook.table for notebook in notebooks).most_common(1)[0]
    if writers > 1:
        paths = ", ".join(f"{n.path.parent.name}/{n.path.name}" for n in notebooks if n.table == table)
        raise NotebookError(
            f"{table} is written by {writers} notebooks: {paths}.", hint="One table a notebook, one notebook a table."
        )


def _check_file_name(notebook: Notebook) -> None:
    named = f"{notebook.path.parent.name}.{notebook.path.stem}"
    if named != str(notebook.table):
        raise NotebookError(
            f"notebooks/{named.replace('.', '/')}.ipynb starts {notebook.table}; its file is named for {named}.",
            hint=f"Move it to notebooks/{notebook.table.layer}/{notebook.table.table}.ipynb, or start {named}.",
        )
