"""lakelib's own source as syntax trees, to check what no tool checks."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[2] / "lakelib"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """`name` is dotted, without `lakelib.` at its head; the package itself is the empty name."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_public(self) -> bool:
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def exported(self) -> list[str] | None:
        """The literal `__all__`, None where there is none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return list(ast.literal_eval(node.value))
        return None

    @property
    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    @property
    def public_functions(self) -> Iterator[Function]:
        """Those that `__all__` names, and the public methods of the classes it names, dunders left out."""
        for node in self.tree.body:
            if isinstance(node, Function) and node.name in (self.exported or []):
                yield node
            elif isinstance(node, ast.ClassDef) and node.name in (self.exported or []):
                yield from (n for n in node.body if isinstance(n, Function) and not n.name.startswith("_"))

    @cached_property
    def imports(self) -> list[tuple[str, str]]:
        """Module and name of every import, wherever it stands; the name is empty for a plain `import`."""
        plain = [alias.name for node in ast.walk(self.tree) if isinstance(node, ast.Import) for alias in node.names]
        named = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom)]
        return [(name, "") for name in plain] + [
            (node.module or "", alias.name) for node in named for alias in node.names
        ]


def modules() -> list[Module]:
    paths = sorted(path for path in PACKAGE.rglob("*.py"))
    return [Module(_dotted(path), path.read_text(encoding="utf-8")) for path in paths]


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
