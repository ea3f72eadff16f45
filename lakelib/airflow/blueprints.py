"""What the DAGs are made of: what each notebook and its contract say that a scheduler has to know."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lakelib.contracts import Contract, load_contract
from lakelib.errors import ContractError
from lakelib.files import write_whole
from lakelib.names import TableName
from lakelib.runner import Graph, graph_of, notebook_paths, read_notebook, referred_tables
from lakelib.runner.promises import promised_age

__all__ = ["Blueprint", "read_blueprints", "waiting"]

# By the notebook's name: the state of its files when they were read, and its blueprint.
_Kept = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Blueprint:
    """Of one notebook. `refers_to` are tables that its contract names, `service_levels` are in words.

    `promised_seconds` is how old its contract lets the table become.
    """

    table: str
    title: str
    reads: Sequence[str]
    sources: Sequence[str]
    refers_to: Sequence[str] = ()
    owner: str | None = None
    domain: str | None = None
    service_levels: Sequence[str] = ()
    promised_seconds: float | None = None


def read_blueprints(project: Path, *, kept_in: Path) -> list[Blueprint]:
    """One a notebook, in the order of layers and names.

    Airflow reads its DAG files again and again, and before each task. So what was found is kept in the file `kept_in`,
    and only notebooks are read that changed since, or whose contracts did; where that can't be written, all of them are
    read each time.

    Raises:
        NotebookError: a notebook is wrong.
    """
    kept = _read_kept(kept_in)
    found = {str(path.relative_to(project)): _found(path, project, kept) for path in notebook_paths(project)}
    if found != kept:
        with suppress(OSError):
            _keep(found, kept_in)
    return [Blueprint(**each["blueprint"]) for each in found.values()]


def waiting(blueprints: Sequence[Blueprint]) -> Graph:
    """Each table with those whose notebooks it waits for.

    Raises:
        NotebookError: a table is read that no notebook writes, or notebooks wait for one another in a circle.
    """
    return graph_of(
        {each.table: each.reads for each in blueprints}, {each.table: each.refers_to for each in blueprints}
    )


def _found(path: Path, project: Path, kept: _Kept) -> Mapping[str, Any]:
    """What was kept of the notebook where its files are as they were then, or what they say now."""
    contract = TableName(path.parent.name, path.stem).contract_file(project / "contracts")
    state = [_state(path), _state(contract)]
    known = kept.get(str(path.relative_to(project)))
    if known and known["state"] == state:
        return known
    return {"state": state, "blueprint": asdict(_blueprint(path, project))}


def _state(path: Path) -> list[int]:
    """Changes when the file is written, or another one takes its place."""
    with suppress(FileNotFoundError):
        told = path.stat()
        return [told.st_ino, told.st_size, told.st_mtime_ns]
    return []


def _blueprint(path: Path, project: Path) -> Blueprint:
    notebook = read_notebook(path)
    contract = _contract(notebook.table, project)
    levels = contract.service_levels if contract else ()
    promised = promised_age(contract) if contract else None
    return Blueprint(
        table=str(notebook.table),
        title=notebook.title,
        reads=list(notebook.reads),
        sources=list(notebook.sources),
        refers_to=sorted(referred_tables(contract)) if contract else [],
        owner=contract.owner if contract else None,
        domain=contract.domain if contract else None,
        service_levels=[f"{level.property}: {level.value} {level.unit or ''}".strip() for level in levels],
        promised_seconds=promised.total_seconds() if promised else None,
    )


def _contract(table: TableName, project: Path) -> Contract | None:
    with suppress(ContractError):  # its task fails with it, the others run
        return load_contract(table, project / "contracts")
    return None


def _read_kept(path: Path) -> _Kept:
    """Nothing where it was kept by another lakelib, or is no longer whole."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(path.read_text(encoding="utf-8"))
        for each in told["notebooks"].values():
            Blueprint(**each["blueprint"])
        return dict(told["notebooks"]) if told["made_by"] == _maker() else {}
    return {}


def _keep(found: _Kept, path: Path) -> None:
    write_whole(path, json.dumps({"made_by": _maker(), "notebooks": found}))


def _maker() -> list[str]:
    """The lakelib at hand, and what it keeps of a notebook."""
    return [version("lakelib"), *(each.name for each in fields(Blueprint))]
