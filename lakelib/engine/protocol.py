"""The seam between lakelib and what computes and commits: one small Protocol, two implementations."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

__all__ = ["Commit", "Engine", "Merge", "Version", "Written"]


@dataclass(frozen=True)
class Commit:
    """How a Delta commit is labelled.

    `metadata` goes into the commit's `userMetadata`. `transaction` is a Delta transaction id: a commit whose id the
    table already records is skipped, so that publishing twice is publishing once.
    """

    metadata: str
    transaction: str


@dataclass(frozen=True)
class Merge:
    """Staged rows match the target's row with the same values in the columns `key`.

    Conditions are of the SQL that Spark and DataFusion share, over the aliases `s` (staged) and `t` (target).
    `update_when` may have to look at every column. `newer_when` and `tied_when` tell most of it sooner: matched rows
    that satisfy the first satisfy it, too, and those that satisfy neither don't.
    """

    key: Sequence[str]
    update_when: str
    is_deleting_missing: bool = False
    newer_when: str = "false"
    tied_when: str = "true"

    @property
    def on(self) -> str:
        return " AND ".join(f"s.`{name}` = t.`{name}`" for name in self.key)


@dataclass(frozen=True)
class Written:
    """What a write did. `version` is the table's newest version after it; `is_committed` is false for a skipped one."""

    version: int
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    is_committed: bool = True


@dataclass(frozen=True)
class Version:
    """One line of a table's history, the operation as Delta names it; `restored` is the version it went back to."""

    version: int
    timestamp: datetime
    operation: str
    metadata: str
    metrics: dict[str, str]
    restored: int | None = None

    @property
    def made_by(self) -> dict[str, Any]:
        """What the commit says about its run; nothing where another writer made it."""
        try:
            made = json.loads(self.metadata)
        except json.JSONDecodeError:
            return {}
        return made if isinstance(made, dict) else {}


class Engine(Protocol):
    """A session that computes, and Delta commits made from staged Parquet.

    `table` is always a Delta folder's path or URI, `staged` a folder of Parquet files. They hold the target's columns
    with the target's types, and may hold more, which are not published; a column that they lack is written as null.
    A staged folder that does not exist holds no rows. Each write is one Delta commit or none. A commit that collides
    is made again from the staged files, a few times with growing pauses, then CommitConflictError.
    """

    name: str

    @property
    def session(self) -> "SparkSession":
        """Session time zone UTC, ANSI mode on. Reads Delta by path with `versionAsOf`."""
        ...

    def version(self, table: str) -> int | None:
        """The newest version, None where there is no table."""
        ...

    def create(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        """An empty table with these columns and their comments, all nullable; nothing when the table exists."""
        ...

    def add_columns(self, table: str, schema: "StructType", *, commit: Commit) -> None:
        """Adds the columns of `schema` that the table lacks, nullable; nothing when it has them all."""
        ...

    def append(self, staged: str, table: str, *, commit: Commit) -> Written: ...

    def replace(self, staged: str, table: str, *, where: str, commit: Commit) -> Written:
        """The rows that satisfy `where` (SQL over the target's columns) make way for the staged ones, in one commit.

        Every staged row satisfies `where`: the caller's duty.
        """
        ...

    def merge(self, staged: str, table: str, *, merge: Merge, commit: Commit) -> Written:
        """Matched rows that satisfy `update_when` take all staged values, unmatched staged rows are inserted, and
        unmatched target rows are deleted where the merge says so. Nothing to change makes no commit.

        No two staged rows have one key: the caller's duty.
        """
        ...

    def rewrite(self, staged: str, table: str, *, schema: "StructType", version: int, commit: Commit) -> Written:
        """The table becomes the staged rows under the columns of `schema`; earlier versions keep theirs.

        Raises:
            CommitConflictError: the table is not at `version` any more, from which the rows were computed.
        """
        ...

    def history(self, table: str, *, limit: int | None = None) -> Sequence[Version]:
        """Newest first."""
        ...

    def restore(self, table: str, *, version: int, commit: Commit) -> Written:
        """The table as it was at `version`, as a new version; nothing of the history is lost."""
        ...

    def close(self) -> None:
        """Ends the session and what it holds in this process; a resident server stays."""
        ...
