"""The lineage of a plan, kept from one run to the next.

It is that of a plan with the same text (`canonical`), read by the same code, over sources that have kept their columns.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast

from lakelib.files import write_whole
from lakelib.lineage.asking import CODE, Asked
from lakelib.lineage.canonical import Canonical
from lakelib.lineage.plan import View
from lakelib.lineage.values import Lineage, Origin

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Keeping"]

_MOST_COMMITS: Final = 50  # to look through, before asking the engine is quicker
_MOST: Final = 8  # plans of one table: notebooks write a first day, or one with late corrections, by other plans


@dataclass(frozen=True)
class Keeping:
    """The place of one plan's lineage, in a folder of those of one table, no more than the newest few."""

    file: Path
    plan: Canonical
    asked: list[str]  # the columns of the sources that the engine was asked for

    @classmethod
    def of(cls, df: "DataFrame", facts: Asked, *, views: Mapping[str, View], folder: Path) -> Self | None:
        """None for a plan that can't be told from others: it is followed in each run."""
        plan = Canonical(facts, views)
        try:
            plan.read([CODE, cast(Any, df)._plan, views])
            file = folder / hashlib.sha256(plan.text.encode()).hexdigest()
            return cls(file, plan, [facts.schema(relation).json() for relation in plan.asked])
        except Exception:  # noqa: BLE001 - what can't be told from others is followed, where all that fails is told
            return None

    def find(self) -> Lineage | None:
        """The lineage with the versions of this run; None where there is none, or a source may have other columns."""
        try:
            digest, _, body = self.file.read_bytes().partition(b"\n")
        except OSError:
            return None
        if digest.decode(errors="replace") != hashlib.sha256(body).hexdigest():
            return None
        kept = json.loads(body)
        tables = zip(kept["tables"], self.plan.tables, strict=True)
        if not all(_is_as_it_was(before, now) for before, now in tables) or kept["asked"] != self.asked:
            return None
        lineage = _with_versions(kept["lineage"], self.plan)
        if [version for _, version, _ in kept["tables"]] != [version for _, version in self.plan.tables]:
            self.keep(lineage)
        return lineage

    def keep(self, lineage: Lineage) -> None:
        """Nothing is kept where it can't be written, or where a version comes from elsewhere than a pinned source."""
        with suppress(OSError, ValueError):
            tables = [[folder, version, _commit(folder, version)] for folder, version in self.plan.tables]
            kept = {"tables": tables, "asked": self.asked, "lineage": _without_versions(lineage, self.plan)}
            body = json.dumps(kept).encode()
            write_whole(self.file, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            for old in sorted(self.file.parent.iterdir(), key=lambda file: file.stat().st_mtime_ns)[:-_MOST]:
                old.unlink(missing_ok=True)


def _log(folder: str, version: int) -> Path:
    return Path(folder.removeprefix("file://")) / "_delta_log" / f"{version:020}.json"


def _commit(folder: str, version: int) -> list[int]:
    """What tells a commit from that of another table that was in the folder."""
    found = _log(folder, version).stat()
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def _is_as_it_was(before: tuple[str, int, list[int]], now: tuple[str, int]) -> bool:
    """Whether the table's columns are those of the version before: they change with a commit's `metaData` only."""
    (folder, version, commit), newer = before, now[1]
    try:
        first, last = sorted((version, newer))
        if folder != now[0] or _commit(folder, version) != commit or last - first > _MOST_COMMITS:
            return False
        return not any(b'"metaData"' in _log(folder, each).read_bytes() for each in range(first + 1, last + 1))
    except OSError:  # an old log was cleaned up
        return False


def _without_versions(lineage: Lineage, plan: Canonical) -> Mapping[str, Any]:
    """As plain JSON, with the place of each version among the pinned sources.

    Raises:
        ValueError: a version is none of theirs.
    """

    def place(origin: Origin) -> tuple[str, str, int]:
        version = plan.pinned.index((origin.source, origin.version)) if origin.version >= 0 else -1
        return origin.source, origin.column, version

    return {
        "columns": [(c, [(*place(o), how) for o, how in found.items()]) for c, found in lineage.columns.items()],
        "influences": [(c, [(*place(o), how) for o, how in found]) for c, found in lineage.influences.items()],
        "rows": [(*place(o), how) for o, how in lineage.rows],
    }


def _with_versions(kept: Mapping[str, Any], plan: Canonical) -> Lineage:
    versions = [*(version for _, version in plan.pinned), -1]

    def origins(told: list[tuple[str, str, int, Any]]) -> list[tuple[Origin, Any]]:
        return [(Origin(source, column, versions[place]), how) for source, column, place, how in told]

    return Lineage(
        columns={column: dict(origins(told)) for column, told in kept["columns"]},
        influences={column: frozenset(origins(told)) for column, told in kept["influences"]},
        rows=frozenset(origins(kept["rows"])),
        is_kept=True,
    )
