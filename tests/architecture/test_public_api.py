import ast
import importlib
import inspect
import re

import pytest

import lakelib
from tests.architecture.project_files import PROJECT
from tests.architecture.source import Function, Module, modules

MODULES = modules()
PUBLIC = [module for module in MODULES if module.is_public]
LONGEST_FUNCTION = 50
LONGEST_MODULE = 400
POSITIONAL = 2
# Its signature is pydantic-settings' own.
OVERRIDES = {"settings_customise_sources"}

each_module = pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.name or "lakelib")


@each_module
def test_all_names_everything_a_module_gives(module: Module) -> None:
    loaded = importlib.import_module(f"lakelib.{module.name}".rstrip("."))
    assert module.exported is not None, f"lakelib.{module.name} has no __all__"
    assert [name for name in module.exported if not hasattr(loaded, name)] == []


@each_module
def test_what_other_modules_import_is_public_there(module: Module) -> None:
    submodules = {other.name.rpartition(".")[2] for other in MODULES if other.name.startswith(f"{module.name}.")}
    given = {
        "*",
        *(module.exported or []),
        *submodules,
        *({other.room for other in MODULES} if not module.name else ()),
    }
    home = f"lakelib.{module.name}".rstrip(".")
    assert {name for other in MODULES for source, name in other.imports if source == home} - given == set()


def test_the_package_gives_what_the_docs_list() -> None:
    documented = re.findall(r"^\| `lakelib\.(\w+)`", (PROJECT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(lakelib.__all__)


@pytest.mark.parametrize("room", ["ingest", "quality", "run", "runner", "tables", "transform"])
def test_what_a_room_gives_says_what_its_signature_cannot(room: str) -> None:
    loaded = importlib.import_module(f"lakelib.{room}")
    verbs = [getattr(loaded, name) for name in loaded.__all__ if inspect.isfunction(getattr(loaded, name))]
    assert [verb.__name__ for verb in verbs if not inspect.getdoc(verb)] == []


@each_module
def test_docstrings_are_more_than_the_name(module: Module) -> None:
    echoes = [f.name for f in module.functions if (doc := _documented(f)) and _words(doc) <= _words(f.name)]
    assert echoes == []


@each_module
def test_public_functions_take_two_arguments_by_position(module: Module) -> None:
    crowded = {f.name for f in module.public_functions if len(_positional(f)) > POSITIONAL}
    assert crowded <= OVERRIDES


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name or "lakelib")
def test_functions_and_modules_fit_on_a_page(module: Module) -> None:
    long = {f.name: _length(f) for f in module.functions if _length(f) > LONGEST_FUNCTION}
    assert (long, len(module.text.splitlines()) <= LONGEST_MODULE) == ({}, True)


def test_no_module_is_named_for_nothing() -> None:
    nothing = {"utils", "util", "common", "helpers", "helper", "misc", "tools", "base"}
    assert [module.name for module in MODULES if set(module.name.split(".")) & nothing] == []


def _documented(function: Function) -> str:
    return ast.get_docstring(function) or ""


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in re.findall(r"[a-z]+", text.lower())} - {"the", "a", "an", "of"}


def _positional(function: Function) -> list[str]:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return [name for name in names if name not in {"self", "cls"}]
