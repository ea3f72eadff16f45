"""Runs whose runner was killed: found and finished by whoever opens the run store next."""

import nbformat
from nbformat import NotebookNode

from lakelib.runner.archive import Archived, place
from lakelib.runner.receipt import Failure, finish, interval_name
from lakelib.runner.secrets import Scrubber
from lakelib.runner.store import RunStore
from lakelib.settings import SECRET_PREFIXES, Settings, make_lake, read_secret

__all__ = ["open_store"]

_KILLED = Failure(
    kind="RunCancelledError",
    message="The runner's process was killed while this ran.\nHint: Run it again; nothing was published half.",
)
_SCRUBBED = Scrubber([])  # what lies in the archive was scrubbed when it was written


def open_store(settings: Settings) -> RunStore:
    """The run store, in which nothing is called running that is not. Its URL may be a secret reference."""
    make_lake(settings)
    url = settings.run_store_url
    store = RunStore(read_secret(url) if url.startswith(SECRET_PREFIXES) else url)
    for row in store.abandoned():
        interval = interval_name(row["start_date"], row["end_date"])
        _bury(place(settings.archive, row["table_name"], interval=interval, run_id=row["run_id"]), store)
    return store


def _bury(archived: Archived, store: RunStore) -> None:
    if not archived.receipt.exists():
        store.mark_killed(archived.run_id)
        return
    receipt = archived.read_receipt()
    if receipt.status == "running":
        notebook = _stopped(archived)
        receipt = finish(receipt, notebook, status="killed", error=_KILLED)
        archived.conclude(notebook, receipt, scrubber=_SCRUBBED)
    archived.render_page()
    store.finish(receipt)


def _stopped(archived: Archived) -> NotebookNode:
    notebook = archived.read_notebook() if archived.notebook.exists() else nbformat.v4.new_notebook()
    for cell in notebook.cells:
        if cell.metadata.get("papermill", {}).get("status") == "running":
            cell.metadata.papermill["status"] = "failed"
    return notebook
