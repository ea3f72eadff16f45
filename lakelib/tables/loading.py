"""Deliveries into bronze: an exact copy of what arrived, each delivery once, and a manifest that proves it."""

import hashlib
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lakelib import context, events, ingest
from lakelib.contracts import Contract
from lakelib.engine.delta_log import existing_table, file_bounds
from lakelib.errors import DeliveryRefusedError, UsageError
from lakelib.ingest.deliveries import other_files
from lakelib.intervals import Interval
from lakelib.names import TableName
from lakelib.tables.discarding import discard
from lakelib.tables.holding import held_rows
from lakelib.tables.manifest import Entry, Identity, are_of, entries, record
from lakelib.tables.publishing import create, publish, publish_nothing
from lakelib.tables.refusing import raise_for_refused
from lakelib.tables.snapshot_check import check_snapshot
from lakelib.tables.staging import Staged, check_contract, stage_files, unstage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["load"]

_MOST_NAMED: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_IDENTITY: Final = ("_delivered_on", "_source_sha256")
_SHA256_LENGTH: Final = 64


def load(source: ingest.Source, contract: Contract, *, delivered: Interval) -> None:
    """Loads the source's deliveries of the interval that were not loaded before, in one commit.

    A delivery is its date and its bytes (SHA-256): the same bytes again for the same date, under any name, change
    nothing; changed bytes under an old name, and old bytes for another date, are a new delivery. Bytes that come back
    under their name, which had others meanwhile, are the newest again, once those others lie nowhere in landing: their
    rows are ingested anew, in their place. What is ingested later has a later `_ingested_at`, whatever the clock says.

    Rows are the delivered ones, as text where the format has no types, with `_source_file`, `_source_row`,
    `_source_sha256`, `_delivered_on`, `_ingested_at`, and `_corrupt_record` for what did not parse. Columns that the
    contract does not know are kept, and reported as drift. `bronze._manifest` gets a row for every delivery seen.
    Files beside them whose names do not fit are told, and change nothing.

    A delivery without rows is held, and so is a snapshot (`snapshotKey`) without most of the keys of the one before,
    until a person releases it (`lake release`).

    Raises:
        DeliveryRefusedError: some deliveries can't be loaded, or are held. All others are loaded when it is raised.
    """
    _check_source(source)
    check_contract(contract)
    run = context.current()
    ingest.fetch_deliveries(source, landing=run.settings.landing_path, interval=delivered)
    _tell_others(source, contract)
    workspace = Path(run.staging(contract.name)).parent / "parsed"
    shutil.rmtree(workspace, ignore_errors=True)
    deliveries = ingest.find_deliveries(source, landing=run.settings.landing_path, interval=delivered)
    parsing = _parsing(source, contract, deliveries=deliveries, into=workspace)
    for delivery in deliveries:
        parsing.take(delivery)
    if parsing.folders:
        staged = _publish(parsing, contract)
        shutil.rmtree(workspace)
        unstage(staged)
    else:
        discard(workspace)
        publish_nothing(contract, verb="load")
    record(parsing.news)
    raise_for_refused(parsing.seen, contract, recorded=parsing.recorded)


def _check_source(source: object) -> None:
    if not isinstance(source, ingest.Source):
        raise UsageError(
            f"A source was asked for; {source!r:.60} was given.",
            hint='Describe it: ingest.csv("sales/sales_{date}.csv"), likewise json, jsonl, xml, parquet, sqlite, '
            "database and api.",
        )


def _tell_others(source: ingest.Source, contract: Contract) -> None:
    if others := other_files(source, landing=context.current().settings.landing_path):
        events.publish(
            events.FilesIgnored(str(contract.name), source.pattern, len(others), tuple(others[:_MOST_NAMED]))
        )


@dataclass
class _Parsing:
    """What a load has to know of deliveries before, and what it has seen and parsed so far."""

    source: ingest.Source
    contract: Contract
    into: Path
    known: set[Identity]
    released: dict[Identity, Entry]
    unpromised: dict[str, str]  # the table's columns that the contract does not know, with their types
    ingested: dict[Identity, datetime]  # when, of what the table holds
    at_path: dict[str, dict[Identity, datetime]]  # what was ever seen there, and since when
    began: datetime  # later than all of these, also where the clock was set back
    lying: set[Identity]  # in landing, of the interval
    taken: set[Identity] = field(default_factory=set)
    seen: list[Entry] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    snapshots: dict[date | None, Path] = field(default_factory=dict)

    @property
    def news(self) -> list[Entry]:
        """What the manifest does not tell yet, of files whose bytes are known."""
        return [
            each
            for each in self.seen
            if each.sha256 and (each.verdict != "known" or each.identity not in self.at_path.get(each.path, ()))
        ]

    @property
    def recorded(self) -> int:
        """How many deliveries the manifest has at most, once it tells the news."""
        return sum(map(len, self.at_path.values())) + len(self.news)

    def take(self, delivery: ingest.Delivery) -> None:
        """Parses a delivery that is not known, gives it its verdict, and tells it."""
        started = time.monotonic()
        entry = self._judged(delivery)
        self.seen.append(entry)
        seconds = delivery.hash_seconds + time.monotonic() - started
        events.publish(_event(entry, seconds=round(seconds, 3)))

    def _judged(self, delivery: ingest.Delivery) -> Entry:
        entry = _entry(delivery, self.contract, ingested_at=self.began)
        if delivery.unreadable:
            return _unreadable(entry, delivery.unreadable)
        if entry.identity in self.taken or (entry.identity in self.known and not self._has_returned(entry)):
            return replace(entry, verdict="known", reason="ALREADY_LOADED")
        if (release := self.released.get(entry.identity)) is not None:
            entry = replace(
                entry,
                released_by=release.released_by,
                released_at=release.released_at,
                release_reason=release.release_reason,
            )
        try:
            entry = self._parsed(delivery, entry)
        except DeliveryRefusedError as refusal:
            if refusal.verdict != "held" or release is None:
                message = f"{refusal.message} {refusal.hint}"
                return replace(entry, verdict=refusal.verdict, reason=refusal.reason, message=message)
        self.taken.add(entry.identity)
        return entry

    def _has_returned(self, entry: Entry) -> bool:
        """Whether its path had other bytes after these, which are gone from landing, and has these again.

        Taken again, these are ingested after all others, so that a rerun finds nothing to do.
        """
        at_path = self.at_path.get(entry.path, {})
        if entry.identity not in at_path or entry.identity not in self.ingested:
            return False
        before = max(at_path[entry.identity], self.ingested[entry.identity])
        return any(self.ingested.get(each, before) > before for each in at_path.keys() - self.lying)

    def _parsed(self, delivery: ingest.Delivery, entry: Entry) -> Entry:
        file = self.into / f"{len(self.seen)}.parquet"
        try:
            parsed = self._parse(delivery, file)
        except DeliveryRefusedError as refusal:
            if refusal.reason == "NO_ROWS":
                self._check_snapshot(entry, None)
            raise
        drift = [name for name in parsed.delivered if name not in self.contract.column_names]
        _check_drift(entry.path, drift, self.contract)
        self._check_snapshot(entry, file)
        # Files with the same columns go to one folder, so that the engine reads each folder with one schema.
        columns = "\n".join([*parsed.columns, parsed.schema_fingerprint])
        folder = self.into / hashlib.sha256(columns.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        self.snapshots[entry.delivered_on] = file.rename(folder / file.name)
        if folder not in self.folders:
            self.folders.append(folder)
        if parsed.drift:
            self.unpromised |= _unpromised(context.current().engine.session.read.parquet(str(folder)), self.contract)
        return replace(
            entry,
            rows=parsed.rows,
            drift=drift,
            content_hash=parsed.content_hash,
            schema_fingerprint=parsed.schema_fingerprint,
        )

    def _parse(self, delivery: ingest.Delivery, file: Path) -> ingest.Parsed:
        run, columns = context.current(), self.contract.columns
        self.into.mkdir(parents=True, exist_ok=True)
        return ingest.parse(
            delivery,
            source=self.source,
            expected=ingest.Expected(
                required=[column.name for column in columns if not column.may_be_absent],
                optional=[*(column.name for column in columns if column.may_be_absent), *self.unpromised],
                types={column.name: column.type for column in columns} | self.unpromised,
                former_names={former: column.name for column in columns for former in column.former_names},
            ),
            # Deliveries of one run are ingested one after the other: the later one is the newer one.
            ingested_at=self.began + len(self.seen) * _TICK,
            run_id=run.run_id,
            into=file,
            most_unpacked_bytes=run.settings.most_unpacked_bytes,
        )

    def _check_snapshot(self, entry: Entry, rows: Path | None) -> None:
        # What a person or an earlier load took for whole is so.
        if self.contract.snapshot_key and entry.released_at is None and entry.identity not in self.ingested:
            check_snapshot(
                entry.path,
                self.contract,
                on=entry.delivered_on,
                rows=rows,
                loaded={day for day, _ in self.ingested},
                parsed=self.snapshots,
            )


def _parsing(
    source: ingest.Source, contract: Contract, *, deliveries: Sequence[ingest.Delivery], into: Path
) -> _Parsing:
    told = entries(contract.name)
    loaded = {each.identity for each in told if each.verdict == "loaded"}
    without_rows = {each.identity for each in told if each.verdict == "loaded" and not each.rows}
    at_path: dict[str, dict[Identity, datetime]] = {}
    for each in told:
        at_path.setdefault(each.path, {})[each.identity] = each.ingested_at
    table = held_rows(contract.name)
    # After a restore, the table does not hold all that the manifest has.
    ingested = {} if table is None else _ingested(contract.name, table, at_path)
    newest = max((*ingested.values(), *(each.ingested_at for each in told)), default=_EPOCH)
    return _Parsing(
        source,
        contract,
        into,
        known=loaded & ingested.keys() | without_rows,
        released={each.identity: each for each in told if each.released_at is not None},
        unpromised={} if table is None else _unpromised(table, contract),
        ingested=ingested,
        at_path=at_path,
        began=max(context.current().started_at, newest + _TICK),
        lying={(each.delivered_on, each.sha256) for each in deliveries},
    )


def _ingested(
    name: TableName, table: "DataFrame", at_path: Mapping[str, Collection[Identity]]
) -> dict[Identity, datetime]:
    """When each delivery that the table holds was ingested; some milliseconds late, unless its path had others, too.

    Delta's log tells it of files that hold one delivery. The table is asked where that is not so, as after a
    compaction, and for the exact time where it decides which of a path's deliveries came last.
    """
    files = file_bounds(existing_table(context.current().path(name)), (*_IDENTITY, "_ingested_at"))
    if files is None or not all(_holds_one(file) for file in files):
        return _asked(table)
    ingested: dict[Identity, datetime] = {}
    for file in files:
        (day, _), (sha256, _), (_, told) = file.values()
        latest = told + _MILLISECOND  # some writers round down
        ingested[day, sha256] = max(ingested.get((day, sha256), latest), latest)
    of_shared_paths = {each for others in at_path.values() if len(others) > 1 for each in others}
    if exactly := [*ingested.keys() & of_shared_paths]:
        ingested |= _asked(table.where(are_of(exactly)))
    return ingested


def _holds_one(file: Mapping[str, tuple[Any, Any]]) -> bool:
    sha256, _ = file["_source_sha256"]
    return all(file[name][0] == file[name][1] for name in _IDENTITY) and len(sha256 or "") == _SHA256_LENGTH


def _asked(table: "DataFrame") -> dict[Identity, datetime]:
    from pyspark.sql import functions as F

    rows = table.groupBy(*_IDENTITY).agg(F.max(F.unix_micros("_ingested_at"))).collect()
    return {(day, sha256): _EPOCH + at * _TICK for day, sha256, at in rows}


def _unpromised(rows: "DataFrame", contract: Contract) -> dict[str, str]:
    known = {*contract.column_names, *contract.platform_columns}
    return {each.name: each.dataType.simpleString() for each in rows.schema if each.name not in known}


def _check_drift(path: str, drift: Sequence[str], contract: Contract) -> None:
    if drift and contract.evolution == "refuse":
        raise DeliveryRefusedError(
            f"{path} is refused (SCHEMA_NEW_COLUMN): no columns but those of the contract were expected; found "
            f"{', '.join(drift)}.",
            hint=f"Add them to {contract.path} with mayBeAbsent, or let bronze keep what is new: evolution: evolve.",
            reason="SCHEMA_NEW_COLUMN",
        )


def _entry(delivery: ingest.Delivery, contract: Contract, *, ingested_at: datetime) -> Entry:
    return Entry(
        table=str(contract.name),
        path=delivery.name,
        delivered_on=delivery.delivered_on,
        size_bytes=delivery.size_bytes,
        sha256=delivery.sha256,
        rows=0,
        verdict="loaded",
        reason="",
        message="",
        drift=[],
        run_id=context.current().run_id,
        ingested_at=ingested_at,
    )


def _unreadable(entry: Entry, why: str) -> Entry:
    """Refused by this run alone: nothing is known of its bytes, so the manifest does not tell it."""
    return replace(entry, verdict="refused", reason="UNREADABLE", message=f"{entry.path} can't be read: {why}.")


def _event(entry: Entry, *, seconds: float) -> events.DeliverySeen:
    return events.DeliverySeen(
        table=entry.table,
        path=entry.path,
        delivered_on="" if entry.delivered_on is None else str(entry.delivered_on),
        size_bytes=entry.size_bytes,
        sha256=entry.sha256,
        rows=entry.rows,
        verdict=entry.verdict,
        reason=entry.reason,
        message=entry.message,
        drift=tuple(entry.drift),
        seconds=seconds,
    )


def _publish(parsing: _Parsing, contract: Contract) -> Staged:
    run = context.current()
    schema = _schema(parsing.folders)
    staged = stage_files([file for folder in parsing.folders for file in folder.iterdir()], contract)
    run.engine.add_columns(create(contract), schema, commit=run.commit("add_columns"))
    where = are_of([each.identity for each in parsing.seen if each.verdict == "loaded"])
    publish(contract, partial(run.engine.replace, staged.accepted, where=where), verb="load")
    return staged


def _schema(folders: Sequence[Path]) -> "StructType":
    """All columns of the folders' files."""
    from pyspark.sql.types import StructType

    read = context.current().engine.session.read
    fields = {each.name: each for folder in folders for each in read.parquet(str(folder)).schema}
    return StructType(list(fields.values()))
