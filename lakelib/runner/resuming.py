"""Work that was done before: the same code for the same interval, with nothing new to read."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from upath import UPath

from lakelib.names import TableName
from lakelib.runner.archive import archived_run
from lakelib.runner.parameters import Request
from lakelib.runner.provenance import code_sha256, contract_sha256
from lakelib.runner.receipt import Receipt
from lakelib.runner.results import RunResult
from lakelib.runner.store import RunStore
from lakelib.settings import Settings

__all__ = ["EVER", "done_before"]

EVER: Final = datetime.min.replace(tzinfo=UTC)


def done_before(request: Request, *, settings: Settings, store: RunStore, since: datetime) -> RunResult | None:
    """The end of the newest run of the request's table and interval, where running it again would change nothing.

    It succeeded after `since`; code, own modules, parameters and contract are what they were; each table that it read
    is at the version that it read; its own table was not taken back since, nor deleted; and landing has no file that it
    did not see. In doubt the answer is None, as after a clock was set back: a rerun changes nothing either.
    """
    row = store.newest_of(str(request.notebook.table), request.interval)
    if row is None or (row["finished_at"] and datetime.fromisoformat(row["finished_at"]) < since):
        return None
    archived = archived_run(row, settings.archive)
    if not archived.receipt.exists():
        return None
    # The receipt tells of the end before the run store does.
    receipt = archived.read_receipt()
    if receipt.status != "succeeded" or not since <= datetime.fromisoformat(receipt.finished_at or "") <= datetime.now(
        UTC
    ):
        return None
    if not _is_same_work(receipt, request, settings) or _lost_its_result(receipt, settings):
        return None
    if _has_new_input(receipt, request, settings):
        return None
    reason = f"done before by run {receipt.run_id}"
    return RunResult(receipt.table, receipt.interval, "succeeded", receipt, archived, reason)


def _is_same_work(receipt: Receipt, request: Request, settings: Settings) -> bool:
    return (
        not receipt.remark
        and receipt.code_sha256 == code_sha256(cell.source for cell in request.notebook.code)
        and receipt.modules == request.notebook.modules
        and receipt.contract_sha256 == contract_sha256(settings.project, request.notebook.table)
        and receipt.parameters == request.values
    )


def _lost_its_result(receipt: Receipt, settings: Settings) -> bool:
    """Whether the run's own table was deleted, perhaps to be made anew, or restored after the run."""
    from lakelib.engine.delta_log import newest_version, was_restored

    path = TableName.parse(receipt.table).path(settings.warehouse)
    written = max((write["version"] for write in receipt.writes if write["table"] == receipt.table), default=None)
    if written is None:  # a notebook may write nothing
        return False
    newest = newest_version(path)
    return newest is None or newest < written or was_restored(path, since=written)


def _has_new_input(receipt: Receipt, request: Request, settings: Settings) -> bool:
    from lakelib.engine.delta_log import newest_version

    inputs = {table: version for table, version in receipt.reads.items() if table != receipt.table}
    if any(newest_version(TableName.parse(table).path(settings.warehouse)) != inputs[table] for table in inputs):
        return True
    folders = [settings.landing_path / Path(source).parent for source in request.notebook.sources]
    return any(_has_new_file(folder, receipt, landing=settings.landing_path) for folder in folders)


def _has_new_file(folder: UPath, receipt: Receipt, *, landing: UPath) -> bool:
    """Whether a file was made, moved or changed here since the run began, apart from those that it loaded itself."""
    if folder.protocol not in ("", "file"):
        return True  # a store in a cloud does not tell when a file appeared under its name
    loaded = {delivery["path"]: delivery["size_bytes"] for delivery in receipt.deliveries}
    began, ended = (
        datetime.fromisoformat(each or "").timestamp() for each in (receipt.started_at, receipt.finished_at)
    )
    return any(
        changed >= ended or (changed >= began and loaded.get(name) != size)
        for name, size, changed in _files(Path(str(folder)), landing=Path(str(landing)))
    )


def _files(folder: Path, *, landing: Path) -> Iterable[tuple[str, int, float]]:
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # it was taken away meanwhile
            told = file.stat()
            yield file.relative_to(landing).as_posix(), told.st_size, told.st_ctime
