"""Stage and audit: the rows of a write, computed once, written beside the table, and judged.

What is audited is exactly what is published, and it survives a crash.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakelib import context, events
from lakelib.contracts import Contract, spark_type, table_schema
from lakelib.errors import RuleError, SchemaError
from lakelib.quality import ACCEPTED, DUPLICATE, QUARANTINED, SUPERSEDED, with_findings
from lakelib.tables.discarding import discard, discard_abandoned
from lakelib.tables.quarantine import quarantine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Staged", "check_table", "stage", "unstage"]


@dataclass(frozen=True)
class Staged:
    """Rows on disk, a folder a verdict: `<folder>/_verdict=accepted/*.parquet` is what a write publishes."""

    folder: str
    counts: dict[str, int]

    @property
    def accepted(self) -> str:
        return f"{self.folder}/_verdict={ACCEPTED}"

    def rows(self, verdict: str) -> int:
        return self.counts.get(verdict, 0)


def stage(df: "DataFrame", contract: Contract, *, judge: Callable[["DataFrame"], "DataFrame"]) -> Staged:
    """Writes the rows of `df` with their verdicts to staging, sends rejected ones to quarantine, checks the batch.

    `judge` adds `_verdict` to rows that carry `_errors`.

    Raises:
        SchemaError: columns or types are not the contract's.
        RuleError: a rule of the whole batch is broken. The staged rows stay for a look; quarantine keeps its evidence.
    """
    check_schema(df, contract)
    run = context.current()
    started = time.monotonic()
    folder = run.staging(contract.name)
    discard_abandoned(Path(folder).parent.parent)
    discard(folder)
    judged = df.transform(with_findings, contract).transform(judge).transform(_stamped, contract)
    judged.write.partitionBy("_verdict").parquet(folder)
    counts = _counts(folder)
    events.publish(events.Staged(str(contract.name), sum(counts.values()), round(time.monotonic() - started, 3)))
    staged = Staged(folder, counts)
    _audit(staged, contract)
    return staged


def unstage(staged: Staged) -> None:
    """Forgets staged rows that were published; what a failed run left goes after a week."""
    discard(staged.folder)


def check_schema(df: "DataFrame", contract: Contract) -> None:
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
            hint=f"End the transformation with one select of the contract's columns, or change {contract.path}.",
        )


def check_table(contract: Contract) -> None:
    """Raises SchemaError where the table that is there has other columns than its contract says today."""
    run = context.current()
    path = run.path(contract.name)
    if contract.name.layer == "bronze" or run.engine.version(path) is None:
        return
    held = {
        field.name: field.dataType.simpleString() for field in run.engine.session.read.format("delta").load(path).schema
    }
    promised = {field.name: field.dataType.simpleString() for field in table_schema(contract)}
    if differences := _differences(held, promised):
        raise SchemaError(
            f"{contract.name} was written under another contract than {contract.path}: {'; '.join(differences)}.",
            hint="Tables are not migrated yet: docs/how-to/change-a-contract.md says how to build it again.",
        )


def _differences(held: dict[str, str], promised: dict[str, str]) -> list[str]:
    missing = [f"the table has no {name}" for name in promised if name not in held]
    more = [f"the contract has no {name}" for name in held if name not in promised]
    other = [
        f"{name} is {held[name]} in the table, {promised[name]} in the contract"
        for name in promised
        if held.get(name, promised[name]) != promised[name]
    ]
    return missing + more + other


def _stamped(df: "DataFrame", contract: Contract) -> "DataFrame":
    """The platform's columns of this run; columns that only led to a verdict stay in staging."""
    from pyspark.sql import functions as F

    run = context.current()
    stamps = {"_run_id": F.lit(run.run_id)}
    if "_updated_at" in contract.platform_columns:
        stamps["_updated_at"] = F.lit(run.started_at)
    return df.withColumns(stamps)


def _counts(folder: str) -> dict[str, int]:
    # An empty DataFrame leaves no folder of its own, and a folder without files has no schema to read.
    if not any(Path(folder).glob("_verdict=*")):
        return {}
    staged = context.current().engine.session.read.parquet(folder)
    return {row["_verdict"]: row["count"] for row in staged.groupBy("_verdict").count().collect()}


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
    _check_batch(staged, contract, outcomes)


def _rule_outcomes(staged: Staged, contract: Contract) -> list[events.RuleOutcome]:
    has_warnings = any(rule.level == "warning" for rule in contract.rules)
    if not staged.rows(QUARANTINED) and not has_warnings:
        return []
    from pyspark.sql import functions as F

    rows = context.current().engine.session.read.parquet(staged.folder)
    found = [
        rows.where(F.size(column) > 0).select(F.lit(level).alias("level"), F.explode(column).alias("finding"))
        for level, column in (("error", "_errors"), ("warning", "_warnings"))
    ]
    counted = found[0].unionByName(found[1]).groupBy("level", "finding.rule", "finding.column").count().collect()
    return [
        events.RuleOutcome(": ".join(filter(None, (row["column"], row["rule"]))), row["level"], row["count"])
        for row in sorted(counted, key=lambda row: (row["level"], row["rule"], row["column"] or ""))
    ]


def _check_batch(staged: Staged, contract: Contract, outcomes: list[events.RuleOutcome]) -> None:
    total, rejected = sum(staged.counts.values()), staged.rows(QUARANTINED)
    fewest, most = contract.row_count
    broken = []
    if (fewest is not None and total < fewest) or (most is not None and total > most):
        promised = f"{fewest or 0} to {'any number' if most is None else most}"
        broken.append(f"row_count: {total} rows, promised {promised}")
    if rejected * 100 > contract.most_rejected_percent * total:
        reasons = ", ".join(f"{outcome.rule} {outcome.rows}" for outcome in outcomes if outcome.level == "error")
        broken.append(f"most_rejected: {rejected} of {total} rows rejected ({reasons})")
    if broken:
        raise RuleError(
            f"Nothing was published to {contract.name}: {'; '.join(broken)}.",
            hint=f"Rejected rows are in {contract.name.quarantine}; the staged ones in {staged.folder}.",
            rules=[each.partition(":")[0] for each in broken],
        )
