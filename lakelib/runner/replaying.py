"""A run done again from its receipt: the same code over the same inputs, in a lake of its own."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, Final

import nbformat
from nbformat import NotebookNode

from lakelib.errors import UsageError
from lakelib.names import TableName
from lakelib.runner.archive import Archived
from lakelib.runner.batch import run_notebooks
from lakelib.runner.comparing import code_cells
from lakelib.runner.outputs import OF_THE_RUN, rows_of
from lakelib.runner.provenance import (
    code_sha256,
    committed_file,
    contract_sha256,
    file_sha256,
    lock_sha256,
    versions,
)
from lakelib.runner.receipt import Receipt
from lakelib.runner.results import RunResult
from lakelib.settings import Settings, load_settings

__all__ = ["Replay", "replay"]

_MANIFEST: Final = "bronze._manifest"


@dataclass(frozen=True)
class Replay:
    """`missing` rows are in the table as the run left it and not in the replay's, `unexpected` ones the other way.

    `commit` is the one of git that holds the code, None where the run's commit has other code or is not there.
    `remarks` name what may explain a difference. `folder` is the replay's project, kept for a look.
    """

    result: RunResult
    rows: int
    missing: int
    unexpected: int
    commit: str | None
    remarks: list[str]
    folder: Path

    @property
    def is_equal(self) -> bool:
        return self.result.status == "succeeded" and not self.missing and not self.unexpected


def replay(archived: Archived, settings: Settings) -> Replay:
    """Runs the notebook again on clones of its inputs at the versions it read, and compares its table.

    Its code is that of the archive, or of the run's commit, whichever the receipt's hash proves; a contract and modules
    beside the notebooks that changed since are taken from the commit where that has them. The lake is not changed.
    Landing is read where it is, so that a bronze table is parsed anew.

    Raises:
        UsageError: the run did not succeed, or neither archive nor git has the code of its receipt.
        EngineError: a version that it read is gone, or rows that it wrote.
    """
    receipt = archived.existing_receipt()
    if receipt.status != "succeeded" or not receipt.writes:
        raise UsageError(
            f"Run {receipt.run_id} was asked for; it {receipt.status} and published {len(receipt.writes)} times.",
            hint="What can be replayed has succeeded and published.",
        )
    scratch = _scratch(archived, receipt, settings)
    for table, version in _versions_before(receipt, settings).items():
        _clone(table, settings, scratch, version=version)
    texts = {name: value if isinstance(value, str) else repr(value) for name, value in receipt.parameters.items()}
    [result] = run_notebooks(scratch, [receipt.table], parameters=texts)
    commit = receipt.git.revision if receipt.git and _is_code_of(receipt, _committed(receipt, settings)) else None
    remarks = list(_remarks(receipt, settings, copy=scratch.project, commit=commit))
    with rows_of(receipt.table):
        rows, missing, unexpected = _compared(receipt, settings, scratch) if result.status == "succeeded" else (0, 0, 0)
    return Replay(result, rows, missing, unexpected, commit, remarks, scratch.project)


def _scratch(archived: Archived, receipt: Receipt, settings: Settings) -> Settings:
    """A project with this one's contracts and notebooks, of which the run's are as they were then."""
    folder = Path(str(settings.location(settings.lake))) / "replays" / receipt.run_id
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(settings.project / "conf", folder / "conf")
    shutil.copytree(settings.project / "contracts", folder / "contracts")
    shutil.copytree(settings.project / "notebooks", folder / "notebooks")
    (folder / receipt.notebook).write_text(_source(archived, receipt, settings), encoding="utf-8")
    _restore(folder, receipt, settings)
    landing = settings.landing if "://" in settings.landing else str(settings.landing_path)
    own = {"project": folder, "lake": ".lake", "run_store": None, "alerts": (), "landing": landing}
    return load_settings(folder).model_copy(update=own)


def _source(archived: Archived, receipt: Receipt, settings: Settings) -> str:
    """The notebook as it was before it was executed."""
    notebook: NotebookNode | None = archived.read_notebook()
    if not _is_code_of(receipt, notebook):
        notebook = _committed(receipt, settings)
    if notebook is None or not _is_code_of(receipt, notebook):
        raise UsageError(
            f"The code of run {receipt.run_id} was looked for; neither the archive nor its commit has what its receipt "
            "names.",
            hint="A secret written in the code is blanked in the archive; or somebody has changed the file.",
        )
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    return str(nbformat.writes(notebook))


def _is_code_of(receipt: Receipt, notebook: NotebookNode | None) -> bool:
    return notebook is not None and code_sha256(code_cells(notebook)) == receipt.code_sha256


def _committed(receipt: Receipt, settings: Settings) -> NotebookNode | None:
    """The notebook as the run's commit has it."""
    if receipt.git is None:
        return None
    held = committed_file(settings.project, receipt.notebook, revision=receipt.git.revision)
    return None if held is None else nbformat.reads(held.decode(), as_version=4)


def _restore(folder: Path, receipt: Receipt, settings: Settings) -> None:
    """In the copy below `folder`: contract and own modules, where they changed and the run's commit has them."""
    then = {path: sha256 for path, sha256 in receipt.modules.items() if _is_copied(path)}
    if receipt.contract_sha256:
        then[str(TableName.parse(receipt.table).contract_file(PurePath("contracts")))] = receipt.contract_sha256
    for path, sha256 in then.items():
        if receipt.git and file_sha256(folder / path) != sha256:
            held = committed_file(settings.project, path, revision=receipt.git.revision)
            if held is not None and hashlib.sha256(held).hexdigest() == sha256:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(held)


def _is_copied(module: str) -> bool:
    return PurePath(module).parts[0] == "notebooks"


def _versions_before(receipt: Receipt, settings: Settings) -> dict[str, int]:
    """The version of each table that the run found: as it read it, or before it first wrote it."""
    from lakelib.engine.delta_log import find_table, version_at, versions_of_run

    found: dict[str, int] = dict(receipt.reads)
    for table in {write["table"] for write in receipt.writes}:
        own = versions_of_run(_path(table, settings), receipt.run_id)
        found[table] = min(own) - 1 if own else _written(receipt, table)
    if find_table(_path(_MANIFEST, settings)) is not None:
        began = datetime.fromisoformat(receipt.started_at)
        found[_MANIFEST] = version_at(_path(_MANIFEST, settings), began)
    return {table: version for table, version in found.items() if version >= 0}


def _written(receipt: Receipt, table: str) -> int:
    return max(int(write["version"]) for write in receipt.writes if write["table"] == table)


def _clone(table: str, settings: Settings, scratch: Settings, *, version: int) -> None:
    from lakelib.engine.cloning import clone_version

    clone_version(_path(table, settings), _path(table, scratch), version=version)


def _compared(receipt: Receipt, settings: Settings, scratch: Settings) -> tuple[int, int, int]:
    """Rows of the table after the run, and how many of them are on one side only."""
    from lakelib.engine import open_engine

    engine = open_engine(scratch)
    try:
        delta = engine.session.read.format("delta")
        then = delta.option("versionAsOf", _written(receipt, receipt.table)).load(_path(receipt.table, settings))
        again = engine.session.read.format("delta").load(_path(receipt.table, scratch))
        kept = [name for name in then.columns if name not in OF_THE_RUN]
        left, right = then.select(kept), again.select([name for name in kept if name in again.columns])
        if left.columns != right.columns:
            return then.count(), then.count(), again.count()
        return left.count(), left.exceptAll(right).count(), right.exceptAll(left).count()
    finally:
        engine.close()


def _remarks(receipt: Receipt, settings: Settings, *, copy: Path, commit: str | None) -> Iterator[str]:
    """What is not as it was, besides inputs."""
    if receipt.git and commit is None:
        yield f"the code of the run is not in its commit {receipt.git.revision}"
    modules = {path: file_sha256((copy if _is_copied(path) else settings.project) / path) for path in receipt.modules}
    now: Mapping[str, Any] = {
        **modules,
        "the contract": contract_sha256(copy, TableName.parse(receipt.table)),
        "the environment's lock": lock_sha256(settings.project),
        "installed versions": versions(settings.engine),
        "the engine": settings.engine,
    }
    then = {
        **receipt.modules,
        "the contract": receipt.contract_sha256,
        "the environment's lock": receipt.lock_sha256,
        "installed versions": receipt.versions,
        "the engine": receipt.engine,
    }
    yield from (f"{what} changed since the run" for what in now if now[what] != then[what])


def _path(table: str, settings: Settings) -> str:
    return TableName.parse(table).path(settings.warehouse)
