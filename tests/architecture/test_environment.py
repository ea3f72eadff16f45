"""One environment, three ways to it: `make env`, `conda env create`, and the lock that both install.

The same environment means: the same Python, exactly the distributions of the lock at its versions, from files with its
hashes, and the project itself. So the lock has to be complete, as both ways install it without resolving anything, and
neither way may name a package of its own.
"""

import re
import sys
import tomllib
from importlib.metadata import distribution, distributions
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.architecture.project_files import PROJECT

PYPROJECT: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())
LOCK = (PROJECT / "requirements.lock").read_text()
CONDA: dict[str, Any] = yaml.safe_load((PROJECT / "environment.yml").read_text())
LOCKED = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", LOCK, re.MULTILINE))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
ASKED = [
    *PYPROJECT["project"]["dependencies"],
    *EXTRAS["airflow"],
    *EXTRAS["datahub"],
    *PYPROJECT["dependency-groups"]["dev"],
]
DIRECT = [Requirement(text) for text in ASKED]
OVERRIDES = {canonicalize_name(Requirement(text).name) for text in PYPROJECT["tool"]["uv"]["override-dependencies"]}
# What venv and conda put into every environment, and the project itself.
NOT_LOCKED = {"lakelib", "pip", "setuptools", "wheel"}


def test_every_line_of_the_lock_is_one_exact_version_with_hashes() -> None:
    entries = re.split(r"^(?=\S)", re.sub(r"^ *#.*\n", "", LOCK, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    loose = [e for e in entries if not re.fullmatch(r"[a-z0-9.-]+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n?", e)]
    assert (loose, len(entries)) == ([], len(LOCKED))


@pytest.mark.parametrize("wanted", DIRECT, ids=lambda wanted: wanted.name)
def test_the_lock_holds_what_the_project_asks_for(wanted: Requirement) -> None:
    assert wanted.specifier.contains(LOCKED.get(canonicalize_name(wanted.name), "0"))


@pytest.mark.parametrize("name", sorted(LOCKED))
def test_the_lock_holds_what_its_packages_ask_for(name: str) -> None:
    unmet = [str(asked) for asked in _asked_by(name) if not asked.specifier.contains(LOCKED.get(asked.name, "0"))]
    assert unmet == []


def test_what_is_installed_is_the_lock_and_nothing_else() -> None:
    installed = {canonicalize_name(found.name): found.version for found in distributions()}
    of_the_lock = {name: version for name, version in LOCKED.items() if name not in NOT_LOCKED}
    assert {name: version for name, version in installed.items() if name not in NOT_LOCKED} == of_the_lock


def test_conda_brings_the_python_of_the_project_and_no_package_of_its_own() -> None:
    from_conda = dict(entry.partition("=")[::2] for entry in CONDA["dependencies"] if isinstance(entry, str))
    assert from_conda.keys() == {"python", "pip", "make"}
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(from_conda["python"])
    assert from_conda["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_pip_in_conda_installs_the_lock_only() -> None:
    assert [entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict)] == [["-r requirements.lock"]]


def test_conda_and_make_install_the_project_with_the_same_command() -> None:
    command = "pip install --no-deps --no-build-isolation -e ."
    assert f"conda run -n {CONDA['name']} {command}" in (PROJECT / "environment.yml").read_text()
    assert command in (PROJECT / "Makefile").read_text().replace("--quiet ", "")


def _asked_by(name: str) -> list[Requirement]:
    """What an installed package requires here, without its extras and without what [tool.uv] overrides."""
    asked = [Requirement(text) for text in distribution(name).requires or []]
    for one in asked:
        one.name = canonicalize_name(one.name)
    return [
        one for one in asked if one.name not in OVERRIDES and (not one.marker or one.marker.evaluate({"extra": ""}))
    ]
