"""A table's past: what was committed, and going back to it."""

from collections.abc import Sequence

from lakelib import context, events
from lakelib.engine import Version
from lakelib.errors import EngineError
from lakelib.names import TableName
from lakelib.tables.finding import not_found

__all__ = ["history", "restore"]


def history(name: str, *, limit: int | None = None) -> Sequence[Version]:
    """The table's versions, newest first; `metadata` of a commit holds the run id.

    Raises:
        TableNotFoundError: nothing has been written there yet, or no table is named so.
    """
    return context.current().engine.history(_existing(name), limit=limit)


def restore(name: str, *, version: int) -> int:
    """Makes the table what it was at `version`, as a new version; its number. Later versions stay readable.

    Raises:
        TableNotFoundError: no such table.
        EngineError: no such version.
    """
    run = context.current()
    newest = run.engine.version(_existing(name)) or 0
    if not 0 <= version <= newest:
        raise EngineError(
            f"Version {version} of {name} was asked for; there are 0 to {newest}.", hint=f"See lake history {name}."
        )
    written = run.engine.restore(_existing(name), version=version, commit=run.commit("restore"))
    events.publish(
        events.Published(
            name,
            "restore",
            written.version,
            inserted=written.inserted,
            updated=written.updated,
            deleted=written.deleted,
            is_committed=written.is_committed,
            seconds=0.0,
        )
    )
    return written.version


def _existing(name: str) -> str:
    run = context.current()
    path = run.path(TableName.parse(name))
    if run.engine.version(path) is None:
        raise not_found(name)
    return path
