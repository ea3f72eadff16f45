"""The contract that a table was last written under, told by its newest commits."""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from lakelib import context
from lakelib.contracts import Contract
from lakelib.engine import Commit

__all__ = ["Remembered", "labelled", "remembered"]

_COMMITS_LOOKED_AT: Final = 50


@dataclass(frozen=True)
class Remembered:
    """What a table's columns do not tell of its contract."""

    version: str
    key: tuple[str, ...]


def labelled(commit: Commit, contract: Contract, **told: Any) -> Commit:
    """The commit with the contract's version and key in its metadata, and whatever else is told."""
    metadata = json.loads(commit.metadata) | {"contract": {"version": contract.version, "key": contract.key}} | told
    return replace(commit, metadata=json.dumps(metadata))


def remembered(path: str) -> Remembered | None:
    """None where the newest commits were made by others, or the table was restored: then its columns alone count."""
    for commit in context.current().engine.history(path, limit=_COMMITS_LOOKED_AT):
        if commit.operation == "RESTORE":
            return None
        if told := commit.made_by.get("contract"):
            return Remembered(told["version"], tuple(told["key"]))
    return None
