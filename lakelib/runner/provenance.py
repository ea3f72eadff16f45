"""What a run depended on besides its code and data: revision, lock, versions."""

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from lakelib.names import TableName
from lakelib.runner.facts import Notebook
from lakelib.runner.receipt import Git

__all__ = ["code_sha256", "contract_sha256", "git_state", "lock_sha256", "versions"]

_EMBEDDED: Final = ("pysail", "deltalake", "pyspark")
_SPARK: Final = ("pyspark", "delta-spark")


def code_sha256(notebook: Notebook) -> str:
    code = "\n\n".join(cell.source for cell in notebook.code)
    return hashlib.sha256(code.encode()).hexdigest()


def contract_sha256(project: Path, table: TableName) -> str | None:
    """Of the file's bytes; None where the table has no contract."""
    contract = project / "contracts" / table.layer / f"{table.table}.yml"
    return hashlib.sha256(contract.read_bytes()).hexdigest() if contract.is_file() else None


def git_state(project: Path) -> Git | None:
    """None outside a repository, before its first commit, or where git is not installed."""
    try:
        revision = _git(project, "rev-parse", "HEAD")
        changes = _git(project, "status", "--porcelain", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return Git(revision=revision, is_dirty=bool(changes))


def lock_sha256(project: Path) -> str | None:
    lock = project / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None


def versions(engine: str) -> Mapping[str, str]:
    """Of the client side; a remote Spark server's own version is the kernel's to ask."""
    parts = ("lakelib", *(_EMBEDDED if engine == "embedded" else _SPARK))
    return {"python": platform.python_version(), **{part: version(part) for part in parts}}


def _git(project: Path, *arguments: str) -> str:
    command = ["git", "-C", str(project), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
