"""`bronze._manifest`: a row for every delivery ever seen, with its proof and its verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from lakelib import context
from lakelib.engine import Merge
from lakelib.errors import UsageError, closest
from lakelib.names import TableName, user_name
from lakelib.tables.discarding import discard
from lakelib.tables.holding import held_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["MANIFEST", "Entry", "Identity", "are_of", "entries", "record", "release"]

MANIFEST: Final = TableName("bronze", "_manifest")
Identity: TypeAlias = tuple[date | None, str]
_SCHEMA: Final = (
    "table string, path string, delivered_on date, size_bytes bigint, sha256 string, rows bigint, verdict string, "
    "reason string, message string, drift array<string>, _run_id string, _ingested_at timestamp, "
    "schema_fingerprint string, content_hash string, released_by string, released_at timestamp, release_reason string"
)
_KEY: Final = ("table", "path", "sha256")
# A delivery that was loaded stays so; a refused one can be loaded once its contract has changed.
_SEEN: Final = Merge(
    key=_KEY,
    update_when="(t.verdict <> 'loaded' AND (s.verdict <> t.verdict OR s.reason <> t.reason)"
    " AND NOT (t.verdict = 'released' AND s.verdict = 'held'))"
    " OR (s.verdict = 'loaded' AND NOT (s.content_hash IS NOT DISTINCT FROM t.content_hash))",
)
_RELEASE: Final = Merge(key=_KEY, update_when="t.verdict = 'held'")


@dataclass(frozen=True)
class Entry:
    """A delivery and what became of it.

    `verdict`: loaded; known (loaded under another path); refused; held; released (held before, and loaded by the next
    run over its date). `content_hash` proves its rows, `schema_fingerprint` its columns; both are empty where it was
    not loaded, None where an earlier lakelib recorded it.
    """

    table: str
    path: str
    delivered_on: date | None
    size_bytes: int
    sha256: str
    rows: int
    verdict: str
    reason: str
    message: str
    drift: Sequence[str]
    run_id: str
    ingested_at: datetime
    schema_fingerprint: str | None = ""
    content_hash: str | None = ""
    released_by: str | None = None
    released_at: datetime | None = None
    release_reason: str | None = None

    @property
    def identity(self) -> Identity:
        """What makes a delivery the same as another one: its date and its bytes, not its name."""
        return self.delivered_on, self.sha256


def are_of(deliveries: Sequence[Identity]) -> str:
    """SQL for a bronze table's rows of these deliveries. The hash stands alone first: files are skipped by it."""
    hashes = ", ".join(sorted({f"'{sha256}'" for _, sha256 in deliveries}))
    identities = ", ".join(f"'{day or ''}{sha256}'" for day, sha256 in deliveries)
    identity = "concat(coalesce(CAST(_delivered_on AS STRING), ''), _source_sha256)"
    return f"_source_sha256 IN ({hashes}) AND {identity} IN ({identities})"


def entries(table: TableName | None = None) -> list[Entry]:
    """The manifest, or what it has of one table: newest first, then by path."""
    rows = held_rows(MANIFEST)
    if rows is None:
        return []
    if table is not None:
        rows = rows.where(rows["table"] == str(table))
    found = sorted((_entry(row) for row in rows.toArrow().to_pylist()), key=lambda each: each.path)
    return sorted(found, key=lambda each: each.ingested_at, reverse=True)


def record(seen: Sequence[Entry]) -> None:
    """Adds deliveries that the manifest does not have; what is known of one changes with its verdict or its rows' hash.

    Written after the rows themselves: a process killed in between loads the same deliveries again, in their place.
    """
    _merge(seen, _SEEN, purpose="manifest")


def release(path: str, *, reason: str) -> list[Entry]:
    """Lets the held delivery at `path` be loaded by the next run over its date: who, when and why are recorded.

    A delivery is its bytes: other bytes under the same path are held anew. Releasing again changes nothing.

    Raises:
        UsageError: no reason, no such delivery, or one that is not held.
    """
    if not reason.strip():
        raise UsageError("A release was asked for without a reason.", hint='Say why: --reason "closed that day".')
    known = entries()
    held = _newest(each for each in known if each.path == path and each.verdict == "held")
    released = _newest(each for each in known if each.path == path and each.released_at is not None)
    if not held and not released:
        raise _not_held(path, known)
    now = context.current().started_at
    freed = [
        replace(each, verdict="released", released_by=user_name(), released_at=now, release_reason=reason)
        for each in held
    ]
    _merge(freed, _RELEASE, purpose="release")
    return freed or released


def _newest(found: Iterable[Entry]) -> list[Entry]:
    """Of each table the first one, which is the newest."""
    first: dict[str, Entry] = {}
    for each in found:
        first.setdefault(each.table, each)
    return list(first.values())


def _not_held(path: str, known: Sequence[Entry]) -> UsageError:
    verdicts = sorted({each.verdict for each in known if each.path == path})
    found = f"it is {', '.join(verdicts)}, not held" if verdicts else "no delivery was seen there"
    held = [each.path for each in known if each.verdict == "held"]
    return UsageError(
        f"The release of {path} was asked for; {found}.",
        hint=f"Deliveries are named by their path below landing. Of those that are held: {closest(path, held)}",
    )


def _merge(changed: Sequence[Entry], merge: Merge, *, purpose: str) -> None:
    if not changed:
        return
    run = context.current()
    path, folder = run.path(MANIFEST), run.staging(MANIFEST)
    rows = _rows(changed)
    discard(folder)
    rows.write.parquet(folder)
    run.engine.create(path, rows.schema, commit=run.commit("create"))
    run.engine.add_columns(path, rows.schema, commit=run.commit("add_columns"))
    run.engine.merge(folder, path, merge=merge, commit=run.commit(purpose))
    discard(folder)


def _rows(changed: Sequence[Entry]) -> "DataFrame":
    rows = [tuple(list(value) if isinstance(value, tuple) else value for value in astuple(each)) for each in changed]
    return context.current().engine.session.createDataFrame(rows, _SCHEMA)


def _entry(row: dict[str, object]) -> Entry:
    """Columns are named as the fields, the platform's with an underscore before."""
    values = {field.name: row.get(field.name, row.get(f"_{field.name}")) for field in fields(Entry)}
    return Entry(**values)  # type: ignore[arg-type]  # the table has the fields' types
