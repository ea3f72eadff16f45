"""What a notebook says about itself, read from its syntax tree before a kernel starts."""

import ast
import json
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from lakelib.errors import NotebookError, TableNameError
from lakelib.names import LAYERS, TableName
from lakelib.runner.own_modules import own_modules
from lakelib.runner.secrets import references

__all__ = ["CodeCell", "Notebook", "Parameter", "find_notebooks", "notebook_paths", "read_notebook"]

INGEST_VERBS: Final = frozenset({"Source", "api", "csv", "database", "json", "jsonl", "parquet", "sqlite", "xml"})
_INGESTS: Final = frozenset(f"ingest.{verb}" for verb in INGEST_VERBS)
_READS: Final = frozenset({"tables.read", "tables.changes"})
_FORMAT: Final = 4  # of nbformat
_STARTS: Final = frozenset({"start", "lakelib.start"})


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

    `reads` may hold the table itself. `sources` are the first arguments of the `ingest` verbs. `modules` are the
    project's own that the code imports, as `own_modules` tells them. `secrets` are the secret references among the
    literals of the code. All is told here since threads of Python 3.11 must not parse side by side
    (https://github.com/python/cpython/issues/106905).
    """

    path: Path
    table: TableName
    title: str
    parameters: Sequence[Parameter]
    reads: Sequence[str]
    sources: Sequence[str]
    modules: Mapping[str, str]
    secrets: Sequence[str]
    text: str = field(repr=False)
    code: Sequence[CodeCell] = field(repr=False)


@dataclass(frozen=True)
class _Call:
    """`function` as it is written, such as tables.read, and where the call stands."""

    function: str
    node: ast.Call
    place: str


@dataclass(frozen=True)
class _Literal:
    """A string literal that names a table or a source, and where it stands."""

    value: str
    place: str


def find_notebooks(project: Path) -> list[Notebook]:
    """Every notebook of the project, in the order of layers and names.

    Raises:
        NotebookError: there is none, or `read_notebook` refuses one.
    """
    return [read_notebook(path) for path in notebook_paths(project)]


def notebook_paths(project: Path) -> list[Path]:
    """Every `notebooks/<layer>/<table>.ipynb` of the project, in the order of layers and names.

    Raises:
        NotebookError: there is none.
    """
    folder = project / "notebooks"
    paths = [path for layer in LAYERS for path in sorted((folder / layer).glob("*.ipynb"))]
    if not paths:
        raise NotebookError(
            f"Notebooks were looked for in {folder}; there are none.",
            hint="A notebook's place is notebooks/<layer>/<table>.ipynb.",
        )
    return paths


def read_notebook(path: Path) -> Notebook:
    """The facts of the notebook at one of the project's `notebook_paths`.

    Raises:
        NotebookError: it can't be read, names a table by anything but a literal, has not exactly one `start`, or writes
            another table than its file is named for.
    """
    place = "/".join(path.parts[-3:])
    try:
        text = path.read_text(encoding="utf-8")
        cells = _cells(text)
    except (OSError, ValueError, RecursionError) as error:
        raise NotebookError(f"{place} was read as a notebook and is none: {error}.", hint="Save it again.") from error
    code = _code_cells(cells)
    trees = {cell: _tree(cell, place) for cell in code}
    calls = [call for cell, tree in trees.items() for call in _calls(tree, f"{place}, cell {cell.number}")]
    starts = [call for call in calls if call.function in _STARTS]
    parameters = [each for cell, tree in trees.items() if cell.is_parameters for each in _parameters(cell, tree, place)]
    _check_dates(starts, {parameter.name for parameter in parameters})
    reads = dict.fromkeys(_table_name(read) for read in _literals(calls, "tables.read", _READS))
    table = _target(starts, place)
    _check_file_name(path, table)
    return Notebook(
        path=path,
        table=table,
        title=_title(cells),
        parameters=parameters,
        reads=[str(read) for read in reads],
        sources=[source.value for source in _literals(calls, "ingest", _INGESTS)],
        modules=_modules(trees.values(), path, place),
        secrets=list(dict.fromkeys(found for tree in trees.values() for found in _secrets(tree))),
        text=text,
        code=code,
    )


def _cells(text: str) -> list[dict[str, Any]]:
    """Raises ValueError where it is not what a notebook has to be, to be executed, saved and shown."""
    notebook = json.loads(text)
    if not isinstance(notebook, dict) or notebook.get("nbformat") != _FORMAT:
        raise ValueError("it is not of notebook format 4")
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not isinstance(notebook.get("metadata"), dict):
        raise ValueError("it has no cells or no metadata")
    for number, cell in enumerate(cells, 1):
        if not _is_cell(cell):
            raise ValueError(f"cell {number} is not what format 4 wants")
    if "\\ud" in text.lower():  # half of a character, alone, can't be saved
        json.dumps(notebook, ensure_ascii=False).encode()
    return cells


def _is_cell(cell: Any) -> bool:
    match cell:
        case {"cell_type": "code" | "markdown" | "raw", "metadata": dict(metadata), "source": str() | list()}:
            is_text = isinstance(cell["source"], str) or all(isinstance(line, str) for line in cell["source"])
            return is_text and isinstance(metadata.get("tags", []), list)
    return False


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
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotebookError(
            f"{place}, cell {cell.number} can't be read as Python: {error}.", hint="Write it in shorter expressions."
        ) from error


def _modules(trees: Iterable[ast.Module], path: Path, place: str) -> Mapping[str, str]:
    try:
        return own_modules(trees, folder=path.parent, project=path.parents[2])
    except OSError as error:
        raise NotebookError(
            f"{place} imports a module that can't be read: {error}.", hint="Make it readable."
        ) from error


def _secrets(tree: ast.Module) -> Iterator[str]:
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return (found for constant in constants for found in references(constant))


def _calls(tree: ast.Module, cell: str) -> Iterator[_Call]:
    """The calls of what has a name, in the order in which they are written."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if function := _name(call.func):
            yield _Call(function, call, f"{cell}, line {call.lineno}")


def _name(function: ast.expr) -> str:
    """`start` or `tables.read`; nothing for what is deeper, or no name."""
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
    return ""


def _literals(calls: Sequence[_Call], asked: str, functions: Collection[str]) -> list[_Literal]:
    """First arguments of the calls of these functions, each value once."""
    found: dict[str, _Literal] = {}
    for call in calls:
        if call.function in functions:
            literal = _first_argument(call, asked)
            found.setdefault(literal.value, literal)
    return list(found.values())


def _first_argument(call: _Call, asked: str) -> _Literal:
    first = call.node.args[0] if call.node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return _Literal(first.value, call.place)
    raise NotebookError(
        f"{call.place}: {asked} wants its name as a text literal; found {ast.unparse(first) if first else 'nothing'}.",
        hint="The graph is read from the code without running it: write the name itself, in quotes, first.",
    )


def _target(starts: Sequence[_Call], place: str) -> TableName:
    if len(starts) != 1:
        raise NotebookError(
            f"{place} calls start {len(starts)} times; a notebook writes one table and starts once.",
            hint='Write run = start("layer.table") once, after the parameters.',
        )
    return _table_name(_first_argument(starts[0], "start"))


def _check_dates(starts: Sequence[_Call], parameters: set[str]) -> None:
    """A run must not cover other days than it was asked for because a tag was forgotten."""
    for call in starts:
        given = {each.value.id for each in call.node.keywords if isinstance(each.value, ast.Name)}
        if missing := sorted(given - parameters):
            raise NotebookError(
                f"{call.place}: start is given {', '.join(missing)}, which is no parameter.",
                hint="Define it in the cell with the tag `parameters` (in JupyterLab: property inspector, cell tags).",
            )


def _table_name(literal: _Literal) -> TableName:
    try:
        return TableName.parse(literal.value)
    except TableNameError as error:
        raise NotebookError(f"{literal.place}: {error.message}", hint=error.hint) from error


def _parameters(cell: CodeCell, tree: ast.Module, place: str) -> list[Parameter]:
    comments = _comments(cell.source)
    return [_parameter(s, comments.get(s.end_lineno or 0, ""), f"{place}, cell {cell.number}") for s in tree.body]


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
        default = ast.literal_eval(value)
        to_json(default)  # as the receipt tells it
        return default
    except (ValueError, TypeError) as error:
        raise NotebookError(
            f"{cell}, line {value.lineno}: the default {ast.unparse(value)} is not a literal.",
            hint='A default is known without running code, a date as ISO text: "2013-01-01".',
        ) from error


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def _check_file_name(path: Path, table: TableName) -> None:
    named, place = f"{path.parent.name}.{path.stem}", f"{table.layer}/{table.table}.ipynb"
    if named == str(table):
        return
    own = f"{path.parent.name}/{path.name}"
    if (path.parents[1] / place).exists():
        raise NotebookError(
            f"{table} is written by 2 notebooks: {place}, {own}.", hint="One table a notebook, one notebook a table."
        )
    raise NotebookError(
        f"notebooks/{own} starts {table}; its file is named for {named}.",
        hint=f"Move it to notebooks/{place}, or start {named}.",
    )
