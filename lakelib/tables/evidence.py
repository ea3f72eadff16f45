"""The proof that bronze is what was delivered: landing and bronze read again, and compared with the manifest."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lakelib import context
from lakelib.contracts import Contract
from lakelib.contracts.evolution import sources
from lakelib.engine.conditions import all_of
from lakelib.errors import ContractError
from lakelib.ingest.content_hash import ContentHash
from lakelib.ingest.stores import is_file, store_errors
from lakelib.names import TableName
from lakelib.tables.holding import held_rows
from lakelib.tables.manifest import Entry, Identity, are_of, entries

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Proof", "verify"]

_MOST_ROWS: Final = 200_000  # read at once


@dataclass(frozen=True)
class Proof:
    """A loaded delivery, and what is wrong with it: nothing, if it is proven.

    `landing` tells of its file: there; replaced, by another delivery that was recorded; changed, to bytes that nobody
    recorded; missing. `rows` are those that bronze holds today.
    """

    table: str
    path: str
    delivered_on: date | None
    sha256: str
    rows: int
    landing: str
    problems: tuple[str, ...]


class _Held(NamedTuple):
    """What a table holds of one delivery."""

    rows: int
    last_row: int
    content: ContentHash | None = None


class _Former(NamedTuple):
    """Of today's columns, the names that they had, and the types where these were other ones."""

    names: dict[str, str]
    types: dict[str, str]


def verify(table: TableName) -> Iterator[Proof]:
    """Reads the table's deliveries again, in landing and in bronze; each one's proof as soon as it is made.

    A delivery is proven when its file in landing has the bytes that were loaded, or was replaced by another delivery,
    and bronze holds its rows: as many, with the same values in the same order. Rows of bronze that belong to no
    delivery of the manifest get a proof with this problem. Columns may have been renamed since (`formerNames`), or have
    got other types by a migration.
    """
    told, former = entries(table), _former(table)
    namings = [{}, *(each.names for each in former)]
    loaded = {each.identity: each for each in reversed(told) if each.verdict == "loaded"}
    recorded = {each.sha256 for each in told}
    held = _counted(table)
    for part in _parts({identity: held[identity] for identity in held if identity in loaded}):
        for identity, found in _hashed(table, part):
            entry = loaded[identity]
            is_proven = partial(_is_same, entry.content_hash, namings=namings)
            others = (
                ()
                if is_proven(found.content)
                else (_hashed_as(each.types, table, identity, found) for each in former if each.types)
            )
            as_loaded = next((each for each in others if is_proven(each.content)), found)
            yield _proof(entry, as_loaded, recorded=recorded, namings=namings)
    for identity in loaded.keys() - held.keys():
        yield _proof(loaded[identity], _Held(0, 0), recorded=recorded, namings=namings)
    for identity in held.keys() - loaded.keys():
        yield _unrecorded(table, identity, held[identity])


def _counted(table: TableName) -> dict[Identity, _Held]:
    from pyspark.sql import functions as F

    rows = held_rows(table)
    if rows is None:
        return {}
    counted = rows.groupBy("_delivered_on", "_source_sha256").agg(F.count("*"), F.max("_source_row")).collect()
    found = {(day, sha256): _Held(count, last) for day, sha256, count, last in counted}
    return dict(sorted(found.items(), key=lambda each: (each[0][0] or date.min, each[0][1])))


def _parts(held: dict[Identity, _Held]) -> Iterator[dict[Identity, _Held]]:
    """Deliveries that are read together: as many as have `_MOST_ROWS`, or a single larger one."""
    part: dict[Identity, _Held] = {}
    for identity, found in held.items():
        if part and sum(each.rows for each in part.values()) + found.rows > _MOST_ROWS:
            yield part
            part = {}
        part[identity] = found
    if part:
        yield part


def _hashed(table: TableName, part: dict[Identity, _Held]) -> Iterator[tuple[Identity, _Held]]:
    of_part = _rows(table, part)
    if len(part) == 1:
        [(identity, found)] = part.items()
        yield identity, found._replace(content=_content_of_one(of_part, found))
        return
    ordered = of_part.orderBy(of_part["_delivered_on"].asc_nulls_first(), "_source_sha256", "_source_row").toArrow()
    at = 0
    for identity, found in part.items():
        content = ContentHash()
        content.update(ordered.slice(at, found.rows))
        yield identity, found._replace(content=content)
        at += found.rows


def _hashed_as(types: Mapping[str, str], table: TableName, identity: Identity, found: _Held) -> _Held:
    """Under other types; as it was found where these do not hold each value."""
    from pyspark.sql import functions as F

    rows = _rows(table, [identity])
    cast = {name: F.col(name).try_cast(kind) for name, kind in types.items()}
    kept = (value.try_cast(rows.schema[name].dataType).eqNullSafe(F.col(name)) for name, value in cast.items())
    if rows.where(~all_of(kept)).limit(1).count():
        return found
    return found._replace(content=_content_of_one(rows.withColumns(cast), found))


def _rows(table: TableName, deliveries: Iterable[Identity]) -> "DataFrame":
    rows = held_rows(table)
    assert rows is not None  # it was counted
    return rows.where(are_of(list(deliveries)))


def _content_of_one(rows: "DataFrame", found: _Held) -> ContentHash:
    content = ContentHash()
    for first in range(1, found.last_row + 1, _MOST_ROWS):
        piece = rows.where(rows["_source_row"].between(first, first + _MOST_ROWS - 1))
        content.update(piece.orderBy("_source_row").toArrow())
    return content


def _contract(table: TableName) -> Contract | None:
    with suppress(ContractError):  # the proof needs none, but for the names that columns had
        return context.current().contract(table)
    return None


def _former(table: TableName) -> list[_Former]:
    """The columns before each migration, the newest first."""
    run, rows, contract = context.current(), held_rows(table), _contract(table)
    if rows is None:
        return []
    today = _types(rows)
    commits = run.engine.history(run.path(table))
    migrations = {commit.version for commit in commits if "migration" in commit.made_by}
    found = []
    for version in sorted((each.version for each in commits if each.version + 1 in migrations), reverse=True):
        before = _types(run.engine.session.read.format("delta").option("versionAsOf", version).load(run.path(table)))
        named = {name: name for name in today} | (sources(before, contract) if contract else {})
        names = {name: was for name, was in named.items() if name in today and was in before}
        types = {name: before[was] for name, was in names.items() if before[was] != today[name]}
        found.append(_Former(names, types))
    return found


def _types(rows: "DataFrame") -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in rows.schema}


def _proof(entry: Entry, found: _Held, *, recorded: set[str], namings: Sequence[dict[str, str]]) -> Proof:
    landing = _landing(entry, recorded)
    problems = [f"its file in landing is {landing}"] if landing in ("changed", "missing") else []
    if found.rows != entry.rows:
        problems.append(f"bronze holds {found.rows:,} of its rows; {entry.rows:,} were loaded")
    elif not _is_same(entry.content_hash, found.content, namings):
        problems.append("its rows in bronze are not the ones that were loaded")
    return Proof(
        entry.table, entry.path, entry.delivered_on, entry.sha256, found.rows, landing, problems=tuple(problems)
    )


def _is_same(content_hash: str | None, content: ContentHash | None, namings: Sequence[dict[str, str]]) -> bool:
    """True as well where an earlier lakelib took no hash."""
    return not content_hash or content is None or any(content.hexdigest(names) == content_hash for names in namings)


def _unrecorded(table: TableName, identity: Identity, found: _Held) -> Proof:
    day, sha256 = identity
    problem = f"bronze holds {found.rows:,} rows of a delivery that the manifest does not have: load the interval again"
    return Proof(str(table), "", day, sha256, found.rows, "unknown", (problem,))


def _landing(entry: Entry, recorded: set[str]) -> str:
    found = _sha256(entry.path)
    if found is None:
        return "missing"
    if found == entry.sha256:
        return "there"
    return "replaced" if found in recorded else "changed"


def _sha256(path: str) -> str | None:
    file = context.current().settings.landing_path / path
    with store_errors(file):
        if not is_file(file):
            return None
        with file.open("rb") as opened:
            blocks: Any = opened
            return hashlib.file_digest(blocks, "sha256").hexdigest()
