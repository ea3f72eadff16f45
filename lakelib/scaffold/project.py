"""`lake init`: a project that runs at once."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from lakelib.errors import UsageError
from lakelib.scaffold.notebook import notebook_text

__all__ = ["make_project"]

_FOLDERS: Final = ("contracts/bronze", "contracts/silver", "contracts/gold", "data/landing")
_NAME: Final = "PROJECT_NAME"


def make_project(folder: Path) -> None:
    """Fills a new or empty folder: configuration, one worked example from landing to gold, its test, a CI file.

    Raises:
        UsageError: something is in the folder, or it can't be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"A project was to be made in {folder}; something is there.", hint="Give a new or an empty folder."
        )
    try:
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True)
        _copy(files("lakelib.scaffold") / "project", folder, name=folder.resolve().name)
    except OSError as error:
        raise UsageError(
            f"A project was to be made in {folder}: {error.strerror}.", hint="Give a folder that you may write to."
        ) from error


def _copy(source: Traversable, target: Path, *, name: str) -> None:
    """Scripts become notebooks; `dot_x` is named `.x`, and `x.tmpl` is `x`: no tool takes them for lakelib's own."""
    for each in source.iterdir():
        path = target / each.name.replace("dot_", ".").removesuffix(".tmpl")
        if each.is_dir():
            path.mkdir(exist_ok=True)
            _copy(each, path, name=name)
        elif target.parent.name == "notebooks":
            path.with_suffix(".ipynb").write_text(notebook_text(each.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            path.write_text(each.read_text(encoding="utf-8").replace(_NAME, name), encoding="utf-8")
