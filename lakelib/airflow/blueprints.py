"""What the DAGs are made of: what each notebook and its contract say that a scheduler has to know."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from lakelib.contracts import Contract, load_contract
from lakelib.errors import ContractError
from lakelib.runner import Notebook, find_notebooks, upstream_graph

__all__ = ["Blueprint", "read_blueprints"]


@dataclass(frozen=True)
class Blueprint:
    """Of one notebook. `upstream` are the tables of those that it waits for, `service_levels` are in words."""

    table: str
    title: str
    reads: Sequence[str]
    sources: Sequence[str]
    upstream: Sequence[str]
    owner: str | None = None
    domain: str | None = None
    service_levels: Sequence[str] = ()


def read_blueprints(project: Path, *, kept_in: Path) -> list[Blueprint]:
    """One a notebook, in the order of layers and names.

    Airflow reads its DAG files again and again, and before each task. So what was found is kept in the file `kept_in`
    until a notebook or a contract changes; where that can't be written, everything is read each time.

    Raises:
        NotebookError: notebooks are wrong, or wait for one another in a circle.
    """
    state = _state(project)
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(kept_in.read_text(encoding="utf-8"))
        if kept["state"] == state:
            return [Blueprint(**each) for each in kept["blueprints"]]
    found = _found(project)
    with suppress(OSError):
        _keep(json.dumps({"state": state, "blueprints": [asdict(each) for each in found]}), kept_in)
    return found


def _state(project: Path) -> str:
    """Changes with this version of lakelib, and with name, size and time of any notebook or contract."""
    digest = hashlib.sha256(version("lakelib").encode())
    for path in sorted([*project.glob("notebooks/*/*.ipynb"), *project.glob("contracts/*/*.yml")]):
        told = path.stat()
        digest.update(f"{path.relative_to(project)} {told.st_size} {told.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _found(project: Path) -> list[Blueprint]:
    notebooks = find_notebooks(project)
    graph = upstream_graph(notebooks)
    return [_blueprint(notebook, sorted(graph[str(notebook.table)]), project) for notebook in notebooks]


def _blueprint(notebook: Notebook, upstream: Sequence[str], project: Path) -> Blueprint:
    contract = _contract(notebook, project)
    levels = contract.service_levels if contract else ()
    return Blueprint(
        table=str(notebook.table),
        title=notebook.title,
        reads=list(notebook.reads),
        sources=list(notebook.sources),
        upstream=upstream,
        owner=contract.owner if contract else None,
        domain=contract.domain if contract else None,
        service_levels=[f"{level.property}: {level.value} {level.unit or ''}".strip() for level in levels],
    )


def _contract(notebook: Notebook, project: Path) -> Contract | None:
    with suppress(ContractError):  # its task fails with it, the others run
        return load_contract(notebook.table, project / "contracts")
    return None


def _keep(text: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
