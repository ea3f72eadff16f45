"""`lake init`: a project that runs at once."""

import json
from collections.abc import Mapping
from importlib.metadata import distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from lakelib.errors import UsageError
from lakelib.scaffold.notebook import notebook_text
from lakelib.settings import Settings, check_place

__all__ = ["make_project"]

_FOLDERS: Final = ("contracts/bronze", "contracts/silver", "contracts/gold", "data/landing")
_NAME: Final = "PROJECT_NAME"
_LAKELIB: Final = "LAKELIB_REQUIREMENT"


def make_project(folder: Path) -> None:
    """Fills a new or empty folder: configuration, one worked example from landing to gold, its test, a CI file.

    Raises:
        UsageError: something is in the folder, or it can't be written.
        SettingsError: the engine can't read tables there.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"A project was to be made in {folder}; something is there.", hint="Give a new or an empty folder."
        )
    check_place(Settings(project=folder.resolve()))
    try:
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True)
        words = {_NAME: folder.resolve().name, _LAKELIB: _requirement()}
        _copy(files("lakelib.scaffold") / "project", folder, words=words)
    except OSError as error:
        raise UsageError(
            f"A project was to be made in {folder}: {error.strerror}.", hint="Give a folder that you may write to."
        ) from error


def _requirement() -> str:
    """From where this lakelib was installed, as pip writes it: a release's version, a repository's commit, a path."""
    installed = distribution("lakelib")
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if not origin:
        return f"lakelib=={installed.version}"
    repository = origin.get("vcs_info")
    if repository is None:
        return f"lakelib @ {origin['url']}"
    return f"lakelib @ {repository['vcs']}+{origin['url']}@{repository['commit_id']}"


def _copy(source: Traversable, target: Path, *, words: Mapping[str, str]) -> None:
    """Scripts become notebooks; `dot_x` is named `.x`, and `x.tmpl` is `x`: no tool takes them for lakelib's own."""
    for each in source.iterdir():
        path = target / each.name.replace("dot_", ".").removesuffix(".tmpl")
        if each.is_dir():
            path.mkdir(exist_ok=True)
            _copy(each, path, words=words)
        elif target.parent.name == "notebooks":
            path.with_suffix(".ipynb").write_text(notebook_text(each.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            text = each.read_text(encoding="utf-8")
            for word, told in words.items():
                text = text.replace(word, told)
            path.write_text(text, encoding="utf-8")
