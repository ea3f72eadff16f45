"""Runs whose runner was killed: found and finished by whoever opens the run store next."""

import nbformat
from nbformat import NotebookNode

from lakelib.errors import RunnerKilledError
from lakelib.runner.archive import Archived, archived_run
from lakelib.runner.receipt import Failure, finish
from lakelib.runner.secrets import Scrubber
from lakelib.runner.store import RunStore
from lakelib.secrets import resolved
from lakelib.settings import Settings, make_lake

__all__ = ["bury_abandoned", "open_store"]

_KILLED = Failure(
    kind=RunnerKilledError.__name__,
    message="The runner's process was killed while this ran.\nHint: Run it again; nothing was published half.",
    is_transient=True,
)
_SCRUBBED = Scrubber([])  # what lies in the archive was scrubbed when it was written


def open_store(settings: Settings) -> RunStore:
    """The run store, in which nothing is called running that is not. Its URL may be a secret reference."""
    make_lake(settings)
    url = settings.run_store_url
    store = RunStore(resolved(url))
    bury_abandoned(store, settings)
    return store


def bury_abandoned(store: RunStore, settings: Settings) -> None:
    """Concludes the runs whose runner is gone, as far as their notebooks got."""
    for row in store.abandoned():
        _bury(archived_run(row, settings.archive), store)


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
    store.record(receipt)


def _stopped(archived: Archived) -> NotebookNode:
    notebook = archived.read_notebook() if archived.notebook.exists() else nbformat.v4.new_notebook()
    for cell in notebook.cells:
        if cell.metadata.get("papermill", {}).get("status") == "running":
            cell.metadata.papermill["status"] = "failed"
    return notebook
