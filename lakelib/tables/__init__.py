"""Reads with pinned versions, and writes that are their own gate: stage, audit, publish.

The only room that writes tables. There is no verb that writes without the contract's rules being run first.
"""

from lakelib.tables.loading import load
from lakelib.tables.maintenance import history, restore
from lakelib.tables.publishing import append, merge, overwrite, replace
from lakelib.tables.querying import query
from lakelib.tables.reading import changes, read
from lakelib.tables.snapshots import snapshot

__all__ = [
    "append",
    "changes",
    "history",
    "load",
    "merge",
    "overwrite",
    "query",
    "read",
    "replace",
    "restore",
    "snapshot",
]
