"""Stage and audit: the rows of a write, computed once, written beside the table, and judged.

What is audited is exactly what is published, and it survives a crash.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakelib import context, events
from lakelib.contracts import Contract, spark_type
from lakelib.engine.staged_files import staged_rows
from lakelib.errors import RuleError, SchemaError, TableNotFoundError, UsageError, closest_name
from lakelib.names import TableName
from lakelib.quality import (
    ACCEPTED,
    DUPLICATE,
    QUARANTINED,
    SUPERSEDED,
    with_findings,
    with_reference_flags,
    with_row_verdicts,
    with_soundness,
)
from lakelib.tables.batch_rules import broken_batch_rules
from lakelib.tables.discarding import discard, discard_abandoned
from lakelib.tables.judging import read_staged, write_by_key, write_by_verdict
from lakelib.tables.migrating import apply, plan_migration
from lakelib.tables.quarantine import quarantine
from lakelib.tables.reading import pinned
from lakelib.tables.tracing import tell_lineage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Staged", "check_contract", "check_given", "check_table", "stage", "stage_files", "unstage"]


@dataclass(frozen=True)
class Staged:
    """Rows on disk, a folder a verdict: `<folder>/_verdict=accepted/*.parquet` is what a write publishes."""

    folder: str
    counts: dict[str, int]
    doubtful: int  # rows with a warning, whatever their verdict

    @property
    def accepted(self) -> str:
        return f"{self.folder}/_verdict={ACCEPTED}"

    def rows(self, verdict: str) -> int:
        return self.counts.get(verdict, 0)


def stage(
    df: "DataFrame", contract: Contract, *, beside: "DataFrame | None" = None, written_to: Contract | None = None
) -> Staged:
    """Writes the rows of `df` with their verdicts to staging, sends rejected ones to quarantine, checks the batch.

    `beside` are rows of the table that the write leaves alone unless it has their keys: unique values are so in both.
    `written_to` is the table's contract, where the staged rows have columns that do not reach it.

    Raises:
        SchemaError: columns or types are not the contract's.
        TableNotFoundError: a table that rows have to refer to was never written.
        RuleError: a rule of the whole batch is broken. The staged rows stay for a look; quarantine keeps its evidence.
    """
    _check_schema(df, contract)
    tell_lineage(df, written_to or contract)
    started = time.monotonic()
    folder = _emptied(contract)
    known = df.transform(with_reference_flags, contract, tables=_referenced(contract))
    rows = known.transform(with_soundness, contract).transform(_stamped, contract)
    if contract.key:
        write_by_key(rows, contract, given=df, folder=folder, beside=beside)
    else:
        write_by_verdict(rows.transform(with_row_verdicts), contract, folder=folder)
    staged = _staged(folder, contract)
    count = sum(staged.counts.values())
    events.publish(events.Staged(str(contract.name), count, round(time.monotonic() - started, 3)))
    _audit(staged, contract)
    return staged


def stage_files(files: Sequence[Path], contract: Contract) -> Staged:
    """Moves Parquet files to staging as they are, all their rows accepted: contracts of bronze have no rules.

    The files have the columns of the contract and the platform's.

    Raises:
        RuleError: a rule of the whole batch is broken.
    """
    started = time.monotonic()
    folder = _emptied(contract)
    accepted = Path(folder) / f"_verdict={ACCEPTED}"
    accepted.mkdir(parents=True)
    for file in files:
        file.rename(accepted / file.name)
    staged = Staged(folder, {ACCEPTED: staged_rows(str(accepted))}, doubtful=0)
    events.publish(events.Staged(str(contract.name), staged.rows(ACCEPTED), round(time.monotonic() - started, 3)))
    _audit(staged, contract)
    return staged


def _emptied(contract: Contract) -> str:
    """The folder for this run's staged rows, without what an attempt before has left, nor old ones of other runs."""
    folder = context.current().staging(contract.name)
    discard_abandoned(Path(folder).parent.parent)
    discard(folder)
    return folder


def _referenced(contract: Contract) -> "dict[TableName, DataFrame]":
    """The tables that rows refer to, at the versions that the run sees; none where there is no table yet."""
    run = context.current()
    tables = {}
    for rule in (rule for rule in contract.rules if rule.check == "reference"):
        name = rule.argument.table
        if (version := pinned(name)) is not None:
            tables[name] = run.engine.session.read.format("delta").option("versionAsOf", version).load(run.path(name))
        elif rule.level == "error":
            raise TableNotFoundError(
                f"Rows of {contract.name} refer to {name}, by {contract.path}; it was never written.",
                hint=f"Write it first: lake run {name}.",
            )
    return tables


def unstage(staged: Staged) -> None:
    """Forgets staged rows that were published; what a failed run left goes after a week."""
    discard(staged.folder)


def check_given(df: object, contract: object) -> None:
    """Raises UsageError where a verb was given anything but Spark's rows and a contract."""
    from pyspark.sql import DataFrame

    if not isinstance(df, DataFrame):
        raise UsageError(
            f"Rows were asked for as a DataFrame of PySpark; {_described(df)} was given.",
            hint="A verb takes the rows first, as in tables.merge(rows, run.contract).",
        )
    check_contract(contract)


def check_contract(contract: object) -> None:
    """Raises UsageError where a verb was given a table's name, or whatever else is no contract."""
    if not isinstance(contract, Contract):
        raise UsageError(
            f"The contract of the table to write was asked for; {_described(contract)} was given.",
            hint='Give run.contract, of run = start("layer.table", …).',
        )


def _described(given: object) -> str:
    return repr(given) if isinstance(given, str) else f"a {type(given).__module__}.{type(given).__qualname__}"


def _check_schema(df: "DataFrame", contract: Contract) -> None:
    found = {field.name: field.dataType for field in df.schema if not field.name.startswith("_")}
    promised = {column.name: spark_type(column.type) for column in contract.columns}
    is_bronze = contract.name.layer == "bronze"
    wrong = [f"{name} is missing" for name in promised if name not in found]
    wrong += [f"{name} is not in the contract" for name in found if name not in promised and not is_bronze]
    wrong += [
        f"{name} is {found[name].simpleString()}, promised {kind.simpleString()}"
        for name, kind in promised.items()
        if name in found and found[name].simpleString() != kind.simpleString()
    ]
    if wrong:
        raise SchemaError(
            f"Rows for {contract.name} do not have the columns its contract promises: {'; '.join(wrong)}.",
            hint=f"{_renamed(df, contract)}End the transformation with one select of the contract's columns, or change "
            f"{contract.path}.",
        )


def _renamed(df: "DataFrame", contract: Contract) -> str:
    """Which missing columns may be there by another name, in the rows or in a table that this run read."""
    run = context.current()
    reads = [(f" of {table}", _held_columns(table)) for table in run.pins if table != contract.name]
    offered = {
        name: place
        for place, names in [*reads, ("", df.columns)]
        for name in names
        if not name.startswith("_") and name not in contract.column_names
    }
    missing = (name for name in contract.column_names if name not in df.columns)
    close = ((name, closest_name(name, offered)) for name in missing)
    return "".join(f"Is {name} what is called {found}{offered[found]}? " for name, found in close if found)


def _held_columns(table: TableName) -> list[str]:
    run = context.current()
    return run.engine.session.read.format("delta").load(run.path(table)).columns


def check_table(contract: Contract) -> None:
    """Raises SchemaError where the table that is there has other columns, or another key, than its contract says.

    Columns that only come are added where the contract's `evolution` is `evolve`.
    """
    if contract.name.layer == "bronze":
        return
    migration = plan_migration(contract)
    if migration is None or not migration.changes:
        return
    if contract.evolution == "evolve" and migration.is_additive:
        apply(migration, reason="the contract says evolution: evolve")
    else:
        raise SchemaError(
            f"{contract.name} was written under another contract than {contract.path}: "
            f"{'; '.join(map(str, migration.changes))}.",
            hint=f"See what a migration does, and do it: lake migrate {contract.name} --dry-run",
        )


def _stamped(df: "DataFrame", contract: Contract) -> "DataFrame":
    """The platform's columns of this run; columns that only led to a verdict stay in staging."""
    from pyspark.sql import functions as F

    run = context.current()
    stamps = {"_run_id": F.lit(run.run_id)}
    if "_updated_at" in contract.platform_columns:
        stamps["_updated_at"] = F.lit(run.started_at)
    return df.withColumns(stamps)


def _staged(folder: str, contract: Contract) -> Staged:
    verdicts = (ACCEPTED, DUPLICATE, QUARANTINED, SUPERSEDED)
    counts = {verdict: rows for verdict in verdicts if (rows := staged_rows(f"{folder}/_verdict={verdict}"))}
    can_warn = counts and any(rule.level == "warning" for rule in contract.rules)
    return Staged(folder, counts, doubtful=_doubtful(folder) if can_warn else 0)


def _doubtful(folder: str) -> int:
    return read_staged(folder).where("_has_warnings").count()


def _audit(staged: Staged, contract: Contract) -> None:
    started = time.monotonic()
    outcomes = _rule_outcomes(staged, contract)
    events.publish(
        events.Audited(
            str(contract.name),
            accepted=staged.rows(ACCEPTED),
            quarantined=staged.rows(QUARANTINED),
            superseded=staged.rows(SUPERSEDED),
            duplicates=staged.rows(DUPLICATE),
            rules=outcomes,
            seconds=round(time.monotonic() - started, 3),
        )
    )
    if staged.rows(QUARANTINED):
        quarantine(f"{staged.folder}/_verdict={QUARANTINED}", contract)
    broken = broken_batch_rules(
        contract,
        accepted=staged.accepted,
        total=sum(staged.counts.values()),
        rejected=staged.rows(QUARANTINED),
        outcomes=outcomes,
    )
    if broken:
        raise RuleError(
            f"Nothing was published to {contract.name}: {'; '.join(broken)}.",
            hint=f"Rejected rows are in {contract.name.quarantine}; the staged ones in {staged.folder}.",
            rules=[each.partition(":")[0] for each in broken],
        )


def _rule_outcomes(staged: Staged, contract: Contract) -> list[events.RuleOutcome]:
    if not staged.rows(QUARANTINED) and not staged.doubtful:
        return []
    from pyspark.sql import functions as F

    is_remarkable = (F.col("_verdict") == QUARANTINED) | F.col("_has_warnings")
    rows = read_staged(staged.folder).where(is_remarkable)
    rows = rows.transform(with_findings, contract)
    found = [
        rows.select(F.lit(level).alias("level"), F.explode(column).alias("finding"))
        for level, column in (("error", "_errors"), ("warning", "_warnings"))
    ]
    counted = found[0].unionByName(found[1]).groupBy("level", "finding.rule", "finding.column").count().collect()
    return [
        events.RuleOutcome(": ".join(filter(None, (row["column"], row["rule"]))), row["level"], row["count"])
        for row in sorted(counted, key=lambda row: (row["level"], row["rule"], row["column"] or ""))
    ]
