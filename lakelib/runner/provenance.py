"""What a run depended on besides its code and data: revision, lock, versions."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from lakelib.names import TableName
from lakelib.runner.receipt import Git

__all__ = [
    "airflow_task",
    "code_sha256",
    "committed_file",
    "contract_sha256",
    "file_sha256",
    "git_state",
    "lock_sha256",
    "versions",
]

_AIRFLOW: Final = {"dag_id": "DAG_ID", "task_id": "TASK_ID", "run_id": "DAG_RUN_ID"}
_EMBEDDED: Final = ("pysail", "deltalake", "pyspark")
_SPARK: Final = ("pyspark", "delta-spark")


def airflow_task() -> Mapping[str, str]:
    """dag_id, task_id and run_id of the Airflow task that this process is, or belongs to; nothing outside of one."""
    names = {name: f"AIRFLOW_CTX_{told}" for name, told in _AIRFLOW.items()}
    return {name: os.environ[told] for name, told in names.items()} if set(names.values()) <= set(os.environ) else {}


def code_sha256(cells: Iterable[str]) -> str:
    """Of the sources of a notebook's code cells."""
    return hashlib.sha256("\n\n".join(cells).encode()).hexdigest()


def file_sha256(path: Path) -> str | None:
    """Of the file's bytes; None where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def contract_sha256(project: Path, table: TableName) -> str | None:
    """None where the table has no contract."""
    return file_sha256(table.contract_file(project / "contracts"))


def git_state(project: Path) -> Git | None:
    """None outside a repository, before its first commit, or where git is not installed."""
    try:
        revision = _git(project, "rev-parse", "HEAD")
        changes = _git(project, "status", "--porcelain", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return Git(revision=revision, is_dirty=bool(changes))


def committed_file(project: Path, path: str, *, revision: str) -> bytes | None:
    """The file at `path` below the project as the revision has it; None where it has none, or is not there itself."""
    try:
        return _git_answer(project, "show", f"{revision}:./{path}")
    except (OSError, subprocess.CalledProcessError):
        return None


def lock_sha256(project: Path) -> str | None:
    return file_sha256(project / "requirements.lock")


def versions(engine: str) -> Mapping[str, str]:
    """Of the client side; a remote Spark server's own version is the kernel's to ask."""
    parts = ("lakelib", *(_EMBEDDED if engine == "embedded" else _SPARK))
    return {"python": platform.python_version(), **{part: version(part) for part in parts}}


def _git(project: Path, *arguments: str) -> str:
    return _git_answer(project, *arguments).decode().strip()


def _git_answer(project: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(project), *arguments], capture_output=True, check=True).stdout
