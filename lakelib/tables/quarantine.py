"""Rejected rows: kept as they were, with their reasons, in `quarantine.<layer>__<table>`."""

import time
from typing import TYPE_CHECKING, Final

from lakelib import context, events
from lakelib.contracts import Contract
from lakelib.contracts.findings import evidence
from lakelib.engine import Merge
from lakelib.quality import with_findings
from lakelib.tables.discarding import discard

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["quarantine"]

_COLUMNS: Final = {
    "_row_id": "string",
    "rules": "array<string>",
    "columns": "array<string>",
    "messages": "array<string>",
    "row": "string",
    "_source_file": "string",
    "_source_row": "bigint",
    "_delivered_on": "date",
    "_run_id": "string",
    "_quarantined_at": "timestamp",
}


def quarantine(staged: str, contract: Contract) -> None:
    """Adds the rejected rows in the Parquet folder `staged` to the table's quarantine, each one once.

    `row` is the row as JSON, each text cut at 1,000 characters: as it was delivered where it came as text, otherwise
    with the contract's types; bronze has it whole. `rules`, `columns` and `messages` say why, in one order. A row that
    was rejected before for the same reasons is not added again, so that a rerun of an interval changes nothing.
    """
    run, started = context.current(), time.monotonic()
    name, folder = contract.name.quarantine, run.staging(contract.name.quarantine)
    rejected = run.engine.session.read.parquet(staged).transform(with_findings, contract)
    rows = rejected.transform(_as_evidence, contract)
    discard(folder)
    rows.write.parquet(folder)
    run.engine.create(run.path(name), rows.schema, commit=run.commit("create"))
    once = Merge(key=("_row_id",), update_when="false")
    written = run.engine.merge(folder, run.path(name), merge=once, commit=run.commit("quarantine"))
    discard(folder)
    seconds = round(time.monotonic() - started, 3)
    events.publish(events.Quarantined(str(name), written.inserted, written.version, seconds))


def _as_evidence(df: "DataFrame", contract: Contract) -> "DataFrame":
    from pyspark.sql import functions as F

    run = context.current()
    as_typed = evidence(df, contract.column_names)
    told = df.withColumns(
        {
            "rules": F.transform("_errors", lambda each: each["rule"]),
            "columns": F.transform("_errors", lambda each: each["column"]),
            "messages": F.transform("_errors", lambda each: each["message"]),
            "row": F.coalesce(F.col("_raw"), as_typed) if "_raw" in df.columns else as_typed,
            "_run_id": F.lit(run.run_id),
            "_quarantined_at": F.lit(run.started_at),
        }
    )
    for name in {"_source_file", "_source_row", "_delivered_on"}.difference(df.columns):
        told = told.withColumn(name, F.lit(None).cast(_COLUMNS[name]))
    identity = F.concat_ws("|", _origin(told), F.array_join("rules", "|"), F.array_join("columns", "|", "*"))
    told = told.withColumn("_row_id", F.sha2(identity, 256))
    once = told.dropDuplicates(["_row_id"])
    return once.select(*(F.col(name).cast(kind) for name, kind in _COLUMNS.items()))


def _origin(told: "DataFrame") -> "Column":
    """What tells a row from all others: its place in a delivery, or what it holds where it has none."""
    from pyspark.sql import functions as F

    if "_source_sha256" not in told.columns:
        return F.col("row")
    # The engines write the same number or instant as different JSON, so JSON is only the second choice.
    return F.coalesce(F.concat("_source_sha256", F.lit(":"), F.col("_source_row").cast("string")), F.col("row"))
