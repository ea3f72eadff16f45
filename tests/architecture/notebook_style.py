"""The rules for notebooks as checks: what a notebook of this project looks like, and what its outputs may hold."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple

import nbformat

from tests.architecture.leaks import leaks

__all__ = ["RULES", "Problem", "problems"]

LONGEST_CELL: Final = 15
LONGEST_OUTPUT: Final = 40
_STATEMENTS: Final = {
    ast.FunctionDef: "def",
    ast.AsyncFunctionDef: "def",
    ast.ClassDef: "class",
    ast.For: "for",
    ast.AsyncFor: "for",
    ast.While: "while",
    ast.Try: "try",
    ast.TryStar: "try",
}
_CALLS: Final = {"print", "exec", "eval", "open", "__import__", "get_ipython"}
_INSTALL: Final = re.compile(r"\b(?:pip|conda|mamba|uv|apt|apt-get)\s+(?:\w+\s+)?(?:install|add)\b")
_ABSOLUTE: Final = re.compile(r"(?:file:)?/+[\w.~-]|~/|[A-Za-z]:\\")
_TWO_SENTENCES: Final = re.compile(r"[a-z0-9)`][.!?] +[A-Z]")
_RUN_ID: Final = re.compile(r"\d{8}T\d{6}|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_RUN_COLUMN: Final = re.compile(r"\b_(?:run_id|updated_at|ingested_at)\b")
_INSTANT: Final = re.compile(r"\b(\d{4})-\d\d-\d\d[T ]\d\d:\d\d")
_MEMORY: Final = re.compile(r"\bat 0x[0-9a-f]{6,}")


class Problem(NamedTuple):
    """`cell` counts from 1 over all cells, as papermill does; 0 is the notebook as a whole."""

    rule: str
    cell: int
    found: str


@dataclass(frozen=True)
class Cell:
    number: int
    kind: str
    source: str
    tags: frozenset[str]
    raw: Any

    @cached_property
    def tree(self) -> ast.Module:
        """Empty for what is no plain Python: `is_plain_python` reports it."""
        try:
            return ast.parse(self.source)
        except SyntaxError:
            return ast.Module([], [])

    @property
    def is_import_cell(self) -> bool:
        return bool(self.tree.body) and all(isinstance(node, ast.Import | ast.ImportFrom) for node in self.tree.body)

    @property
    def texts(self) -> Iterator[str]:
        """What each output shows, as text."""
        for output in self.raw.get("outputs", []):
            yield "".join(output.get("text", ""))
            yield from ("".join(text) for kind, text in output.get("data", {}).items() if kind.startswith("text/"))


@dataclass(frozen=True)
class Page:
    """A notebook's cells, and the table that its place in the project says it writes."""

    cells: list[Cell]
    metadata: Any
    table: str

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def steps(self) -> list[Cell]:
        """The code cells between the start and the result."""
        return self.code[3:-1]


Found = Iterator[tuple[int, str]]
Rule = Callable[[Page], Found]
RULES: dict[str, Rule] = {}


def problems(notebook: nbformat.NotebookNode, *, table: str) -> list[Problem]:
    """Every broken rule, by rule and cell; none for a notebook in good style."""
    cells = [
        Cell(number, cell.cell_type, cell.source, frozenset(cell.metadata.get("tags", [])), cell)
        for number, cell in enumerate(notebook.cells, start=1)
    ]
    page = Page(cells, notebook.metadata, table)
    return [Problem(name, cell, found) for name, rule in RULES.items() for cell, found in rule(page)]


def rule(check: Rule) -> Rule:
    RULES[check.__name__] = check
    return check


@rule
def title_says_row_and_rerun(page: Page) -> Found:
    text = page.cells[0].source if page.cells and page.cells[0].kind == "markdown" else ""
    if not text.startswith("# "):
        yield 1, "no title: the first cell is markdown and begins with '# '"
    elif not re.search(r"\brows?\b", text.partition("\n")[2]) or not re.search(
        r"\brerun|\bre-run", text, re.IGNORECASE
    ):
        yield 1, "the title cell does not say what a row is and what a rerun does"


@rule
def order_is_kept(page: Page) -> Found:
    """Title, imports, parameters, start, steps, result."""
    kinds = [cell.kind for cell in page.cells[:3]]
    if kinds != ["markdown", "code", "code"]:
        yield 0, f"begins with {kinds}; first come title, imports and parameters"
    if len(page.code) < 4:
        yield 0, f"has {len(page.code)} code cells; imports, parameters, start and result are the least"


@rule
def imports_are_the_first_code_cell(page: Page) -> Found:
    if page.code and not page.code[0].is_import_cell:
        yield page.code[0].number, "the first code cell holds something else than imports"
    for cell in page.code[1:]:
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(cell.tree)):
            yield cell.number, "imports here; all imports stand in the first code cell"


@rule
def parameters_are_the_second_code_cell(page: Page) -> Found:
    tagged = [cell.number for cell in page.code if "parameters" in cell.tags]
    if tagged != [cell.number for cell in page.code[1:2]]:
        yield 0, f"cells tagged `parameters`: {tagged}; the second code cell has the tag, and no other"


@rule
def parameters_are_typed_literals(page: Page) -> Found:
    for cell in (cell for cell in page.code if "parameters" in cell.tags):
        for node in cell.tree.body:
            if not isinstance(node, ast.AnnAssign):
                yield cell.number, f"`{ast.unparse(node)}` is not `name: type = literal`"
            elif node.value is not None and not _is_literal(node.value):
                yield cell.number, f"the value of `{ast.unparse(node)}` is not a literal"


@rule
def start_names_the_table_of_the_file(page: Page) -> Found:
    started = [(cell.number, call) for cell in page.code for call in _calls(cell.tree, "start")]
    if [number for number, _ in started] != [cell.number for cell in page.code[2:3]]:
        yield 0, "`start` is called once, in the third code cell"
    for number, call in started:
        named = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        if named != [page.table]:
            yield number, f"starts {named}; the file's place says {page.table}"


@rule
def markdown_stands_before_each_step(page: Page) -> Found:
    steps = {cell.number for cell in page.steps}
    for before, cell in pairwise(page.cells):
        if cell.number in steps and before.kind != "markdown":
            yield cell.number, "no markdown cell before this step says why"


@rule
def a_line_is_one_sentence(page: Page) -> Found:
    for cell in page.cells[1:]:
        if cell.kind == "markdown" and any(_TWO_SENTENCES.search(line) for line in cell.source.splitlines()):
            yield cell.number, "a line holds more than one sentence"


@rule
def result_is_the_summary(page: Page) -> Found:
    last = page.cells[-1] if page.cells else None
    if last is None or last.kind != "code" or not re.fullmatch(r"\w+\.summary\(\)", last.source.strip()):
        yield len(page.cells), "the last cell is not `run.summary()`"


@rule
def cells_are_short(page: Page) -> Found:
    for cell in page.code:
        if (lines := len(cell.source.splitlines())) > LONGEST_CELL:
            yield cell.number, f"{lines} lines; at most {LONGEST_CELL}"


@rule
def is_plain_python(page: Page) -> Found:
    """No magics, no shell: neither parses."""
    for cell in page.code:
        if not cell.source.strip():
            yield cell.number, "an empty cell"
        elif not cell.tree.body:
            yield cell.number, "not plain Python (a magic, a shell command, only comments?)"


@rule
def has_no_logic_of_its_own(page: Page) -> Found:
    for cell in page.code:
        for node in ast.walk(cell.tree):
            if word := _STATEMENTS.get(type(node)):
                yield cell.number, f"`{word}`: functions and loops live in lakelib, with a test"
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
                yield cell.number, f"calls {node.func.id}"


@rule
def installs_nothing(page: Page) -> Found:
    yield from ((cell.number, "installs a package") for cell in page.cells if _INSTALL.search(cell.source))


@rule
def has_no_secret_or_machine(page: Page) -> Found:
    for cell in page.cells:
        yield from ((cell.number, found) for text in (cell.source, *cell.texts) for _, found in leaks(text))


@rule
def has_no_absolute_path(page: Page) -> Found:
    for cell in page.code:
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ABSOLUTE.match(node.value):
                yield cell.number, f"an absolute path: {node.value!r}"


@rule
def is_stored_with_outputs(page: Page) -> Found:
    for cell in page.code:
        if cell.raw.execution_count is None:
            yield cell.number, "was not run before it was stored"
    if page.code and not page.code[-1].raw.outputs:
        yield page.code[-1].number, "the result cell shows nothing"


@rule
def outputs_are_no_errors(page: Page) -> Found:
    for cell in page.code:
        kinds = {"stderr" if output.get("name") == "stderr" else output.output_type for output in cell.raw.outputs}
        yield from ((cell.number, f"an output of kind {kind}") for kind in sorted(kinds & {"error", "stderr"}))


@rule
def outputs_are_bounded(page: Page) -> Found:
    for cell in page.code:
        if any(output.get("text", "").count("\n") > LONGEST_OUTPUT for output in cell.raw.outputs) or any(
            "".join(output.get("data", {}).get("text/plain", "")).count("\n") > LONGEST_OUTPUT
            for output in cell.raw.outputs
        ):
            yield cell.number, f"shows more than {LONGEST_OUTPUT} lines"


@rule
def outputs_name_no_run(page: Page) -> Found:
    """No run id, no column that holds facts of a run, no address in memory, no time later than the data."""
    last_year = max((int(year) for year in re.findall(r'"(\d{4})-\d\d-\d\d"', _parameters(page))), default=9999)
    for cell in page.code:
        for text in cell.texts:
            for pattern in (_RUN_ID, _RUN_COLUMN, _MEMORY):
                yield from ((cell.number, f"{found} differs from run to run") for found in pattern.findall(text))
            if any(int(year) > last_year + 1 for year in _INSTANT.findall(text)):
                yield cell.number, "shows a time that is later than the data: the time of a run?"


@rule
def metadata_tells_no_run(page: Page) -> Found:
    if page.metadata.get("kernelspec", {}).get("name") != "lake":
        yield 0, "its kernel is not `lake`"
    if "papermill" in page.metadata:
        yield 0, "is an executed copy: papermill's metadata"
    for cell in page.cells:
        yield from ((cell.number, f"metadata {key}") for key in ("execution", "papermill") if key in cell.raw.metadata)


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _parameters(page: Page) -> str:
    return "\n".join(ast.unparse(cell.tree).replace("'", '"') for cell in page.code if "parameters" in cell.tags)
