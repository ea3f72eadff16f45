"""The project's own Python modules that a notebook imports: they are as much its code as its cells."""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["own_modules"]

_NOT_OWN: Final = sys.stdlib_module_names | {"", "lakelib"}
_ENVIRONMENT: Final = Path(sys.prefix).resolve()


def own_modules(trees: Iterable[ast.Module], *, folder: Path, project: Path) -> Mapping[str, str]:
    """SHA-256 of each module below `project` that the code imports, itself or by another of them, by its path there.

    They are looked for as a kernel in `folder` does: there, then where this process finds its own. No code runs: an
    import whose name is made at run time is not seen. What the environment has installed is not the project's own.

    Raises:
        OSError: one can't be read.
    """
    project = project.resolve()
    found: dict[str, str] = {}
    left = [name for tree in trees for name in _imported(tree, package="")]
    seen = set(left)
    while left:
        for package, file in _own_files(left.pop(), folder, project):
            path, source = file.relative_to(project).as_posix(), file.read_bytes()
            if path not in found:
                found[path] = hashlib.sha256(source).hexdigest()
                with suppress(SyntaxError, ValueError, RecursionError):  # no Python: the import itself says so
                    names = set(_imported(ast.parse(source), package=package)) - seen
                    left.extend(names)
                    seen |= names
    return dict(sorted(found.items()))


def _imported(tree: ast.Module, *, package: str) -> Iterator[str]:
    """Full names of what the code imports, modules and what it takes out of them; `package` is where it stands."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package.split(".")[: -level + 1 or None] if level else []
                yield from (".".join([*above, *([module] if module else []), alias.name]) for alias in names)


def _own_files(name: str, folder: Path, project: Path) -> Iterator[tuple[str, Path]]:
    """The file of each package and of the module that the import of `name` runs, with the package it belongs to."""
    places: Iterable[str] | None = None
    parts = name.split(".")
    for number, part in enumerate(parts):
        spec = PathFinder.find_spec(part, list(places)) if places is not None else _found_first(part, folder)
        if spec is None:
            return
        places = spec.submodule_search_locations
        if spec.has_location and spec.origin is not None:
            file = Path(spec.origin)
            file = file.parent.resolve() / file.name  # a link to a file is the file that was asked for
            if not file.is_relative_to(project) or file.is_relative_to(_ENVIRONMENT):
                return
            yield ".".join(parts[: number + (places is not None)]), file
        if places is None:
            return


def _found_first(name: str, folder: Path) -> ModuleSpec | None:
    if name in _NOT_OWN:
        return None
    with suppress(ValueError):  # a module of this process that was not imported from anywhere
        return PathFinder.find_spec(name, [str(folder)]) or find_spec(name)
    return None
