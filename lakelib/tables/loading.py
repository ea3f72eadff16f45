"""Deliveries into bronze: an exact copy of what arrived, each delivery once, and a manifest that proves it."""

import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakelib import context, events, ingest
from lakelib.contracts import Contract
from lakelib.errors import DeliveryRefusedError, UsageError
from lakelib.ingest.deliveries import other_files
from lakelib.intervals import Interval
from lakelib.tables.discarding import discard
from lakelib.tables.manifest import loaded_hashes, record
from lakelib.tables.publishing import create, publish, publish_nothing
from lakelib.tables.staging import Staged, check_contract, stage_files, unstage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["load"]

_MOST_NAMED: Final = 5


@dataclass(frozen=True)
class _Parsed:
    seen: list[events.DeliverySeen]
    folders: list[str]

    @property
    def loaded(self) -> list[str]:
        return [each.sha256 for each in self.seen if each.verdict == "loaded"]


def load(source: ingest.Source, contract: Contract, *, delivered: Interval) -> None:
    """Loads the source's deliveries of the interval that were not loaded before, in one commit.

    Deliveries are recognised by their bytes (SHA-256): the same bytes again, under any name, change nothing; changed
    bytes under an old name are a new delivery. Rows are the delivered ones as text with `_source_file`, `_source_row`,
    `_source_sha256`, `_delivered_on`, `_ingested_at`, and `_corrupt_record` for what did not parse. Columns that the
    contract does not know are kept, and reported as drift. `bronze._manifest` gets a row for every delivery seen. Files
    beside them whose names do not fit are told, and change nothing.

    Raises:
        DeliveryRefusedError: some deliveries can't be loaded, or are held. All others are loaded when it is raised.
    """
    _check_source(source)
    check_contract(contract)
    run = context.current()
    _tell_others(source, contract)
    workspace = Path(run.staging(contract.name)).parent / "parsed"
    shutil.rmtree(workspace, ignore_errors=True)
    parsed = _parse(source, contract, delivered=delivered, into=workspace)
    if parsed.loaded:
        staged = _publish(parsed, contract)
        shutil.rmtree(workspace)
        unstage(staged)
    else:
        discard(workspace)
        publish_nothing(contract, verb="load")
    record(parsed.seen)
    _raise_for_refused(parsed.seen, contract)


def _check_source(source: object) -> None:
    if not isinstance(source, ingest.Source):
        raise UsageError(
            f"A source was asked for; {source!r:.60} was given.",
            hint='Describe it: ingest.csv("sales/sales_{date}.csv"), likewise json, jsonl and xml.',
        )


def _tell_others(source: ingest.Source, contract: Contract) -> None:
    if others := other_files(source, landing=context.current().settings.landing_path):
        events.publish(
            events.FilesIgnored(str(contract.name), source.pattern, len(others), tuple(others[:_MOST_NAMED]))
        )


def _parse(source: ingest.Source, contract: Contract, *, delivered: Interval, into: Path) -> _Parsed:
    deliveries = ingest.find_deliveries(source, landing=context.current().settings.landing_path, interval=delivered)
    known = loaded_hashes(contract.name) & _held_hashes(contract)
    seen: list[events.DeliverySeen] = []
    folders: set[str] = set()
    for number, delivery in enumerate(deliveries):
        started, event = time.monotonic(), _seen(delivery, contract)
        if delivery.sha256 in known:
            event = replace(event, verdict="known", reason="ALREADY_LOADED")
        else:
            event, columns = _parse_one(delivery, source, contract, number=number, into=into, event=event)
            folders.update(columns)
        if event.verdict == "loaded":
            known.add(delivery.sha256)
        seen.append(replace(event, seconds=round(time.monotonic() - started, 3)))
        events.publish(seen[-1])
    return _Parsed(seen, sorted(folders))


def _held_hashes(contract: Contract) -> set[str]:
    """SHA-256 of the deliveries whose rows are in the table: after a restore, not all that the manifest has."""
    run = context.current()
    path = run.path(contract.name)
    if run.engine.version(path) is None:
        return set()
    rows = run.engine.session.read.format("delta").load(path).select("_source_sha256").distinct()
    return {row["_source_sha256"] for row in rows.collect()}


def _parse_one(
    delivery: ingest.Delivery,
    source: ingest.Source,
    contract: Contract,
    *,
    number: int,
    into: Path,
    event: events.DeliverySeen,
) -> tuple[events.DeliverySeen, list[str]]:
    run = context.current()
    into.mkdir(parents=True, exist_ok=True)
    file = into / f"{number}.parquet"
    try:
        parsed = ingest.parse(
            delivery,
            source=source,
            required=[column.name for column in contract.columns if not column.may_be_absent],
            optional=[column.name for column in contract.columns if column.may_be_absent],
            # Deliveries of one run are ingested one after the other: the later one is the newer one.
            ingested_at=run.started_at + timedelta(microseconds=number),
            run_id=run.run_id,
            into=file,
        )
    except DeliveryRefusedError as refusal:
        message = f"{refusal.message} {refusal.hint}"
        return replace(event, verdict=refusal.verdict, reason=refusal.reason, message=message), []
    # Files with the same columns go to one folder, so that the engine reads each folder with one schema.
    folder = into / hashlib.sha256("\n".join(parsed.columns).encode()).hexdigest()[:16]
    folder.mkdir(exist_ok=True)
    file.rename(folder / file.name)
    return replace(event, rows=parsed.rows, verdict="loaded", drift=tuple(parsed.drift)), [str(folder)]


def _seen(delivery: ingest.Delivery, contract: Contract) -> events.DeliverySeen:
    return events.DeliverySeen(
        table=str(contract.name),
        path=delivery.name,
        delivered_on="" if delivery.delivered_on is None else str(delivery.delivered_on),
        size_bytes=delivery.size_bytes,
        sha256=delivery.sha256,
        rows=0,
        verdict="",
    )


def _publish(parsed: _Parsed, contract: Contract) -> Staged:
    run = context.current()
    folders = (run.engine.session.read.parquet(folder) for folder in parsed.folders)
    delivered: DataFrame = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), folders)
    schema = delivered.schema
    staged = stage_files([file for folder in parsed.folders for file in Path(folder).iterdir()], contract)
    run.engine.add_columns(create(contract), schema, commit=run.commit("add_columns"))
    where = f"_source_sha256 IN ({', '.join(repr(sha256) for sha256 in parsed.loaded)})"
    publish(contract, partial(run.engine.replace, staged.accepted, where=where), verb="load")
    return staged


def _raise_for_refused(seen: Sequence[events.DeliverySeen], contract: Contract) -> None:
    refused = list(_refused(seen))
    if not refused:
        return
    lines = "\n".join(f"- {each.verdict}, {each.reason}: {each.message}" for each in refused)
    others = "" if len(refused) == len(seen) else "; all others are"
    raise DeliveryRefusedError(
        f"{len(refused)} of {len(seen)} deliveries for {contract.name} could not be loaded{others}:\n{lines}",
        hint="Deliver a repaired file, or move this one out of landing. bronze._manifest keeps the verdicts.",
        reason=refused[0].reason,
        verdict=refused[0].verdict,
    )


def _refused(seen: Sequence[events.DeliverySeen]) -> Iterator[events.DeliverySeen]:
    return (each for each in seen if each.verdict in ("refused", "held"))
