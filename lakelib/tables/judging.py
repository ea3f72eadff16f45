"""Rows of a table with a key, computed once and written by verdict: a folder a verdict, `_verdict=<verdict>`."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakelib import context
from lakelib.contracts import Contract
from lakelib.engine.plans import is_row_by_row
from lakelib.engine.staged_files import staged_rows
from lakelib.errors import SchemaError
from lakelib.quality import (
    ACCEPTED,
    DISPUTED,
    broken_unique_rules,
    unsettled_keys,
    with_row_verdicts,
    with_undisputed_verdicts,
    with_unique_flags,
    with_verdicts_by_key,
)
from lakelib.tables.discarding import discard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["read_staged", "write_by_key", "write_by_verdict"]

_COMPRESSION: Final = "snappy"  # quick: staged files live for seconds
_MUCH: Final = 64 << 20  # bytes of tables that are read


def write_by_key(
    rows: "DataFrame", contract: Contract, *, given: "DataFrame", folder: str, beside: "DataFrame | None"
) -> None:
    """Rows of keys that come once by their own verdict, those of keys that come several times judged together.

    `rows` are those of `given`, with what is told of each. `beside` are rows of the table that the write leaves alone
    unless it has their keys: unique values are so in both.

    Raises:
        SchemaError: keys are others each time that they are computed.
    """
    discard(f"{folder}.computed")
    discard(f"{folder}.keys")
    if _reads_much() and is_row_by_row(given):
        _write_disputed_apart(rows, contract, given=given, folder=folder)
    else:
        _write_then_judge(rows, contract, folder=folder)
    if any(Path(folder).glob("*/*.parquet")):
        _judge_unique(contract, folder=folder, beside=beside)


def write_by_verdict(judged: "DataFrame", folder: str) -> None:
    """Beside what the folder holds already."""
    judged.write.option("compression", _COMPRESSION).mode("append").partitionBy("_verdict").parquet(folder)


def read_staged(folder: str) -> "DataFrame":
    return context.current().engine.session.read.parquet(folder)


def _reads_much() -> bool:
    run = context.current()
    return sum(file.stat().st_size for table in run.pins for file in Path(run.path(table)).glob("*.parquet")) > _MUCH


def _write_disputed_apart(rows: "DataFrame", contract: Contract, *, given: "DataFrame", folder: str) -> None:
    """Asks for the keys that come several times first: of many rows that are cheap to read, none is written twice."""
    keys = f"{folder}.keys"
    if _write(given.transform(unsettled_keys, contract), keys):
        rows = rows.transform(with_undisputed_verdicts, contract, unsettled=read_staged(keys))
    else:
        rows = rows.transform(with_row_verdicts)
    write_by_verdict(rows, folder)
    discard(keys)
    _judge_disputed(contract, folder=folder)
    accepted = f"{folder}/_verdict={ACCEPTED}"
    if staged_rows(accepted) and read_staged(accepted).transform(unsettled_keys, contract).where("_rows > 1").count():
        raise SchemaError(
            f"Rows for {contract.name} were to have the same {', '.join(contract.key)} whenever they are computed; "
            "some had others the second time.",
            hint="Make keys of what was delivered, not of random numbers or of the time.",
        )


def _write_then_judge(rows: "DataFrame", contract: Contract, *, folder: str) -> None:
    """Mostly all of what was computed is accepted as it lies there."""
    computed, keys = f"{folder}.computed", f"{folder}.keys"
    if not _write(rows, computed):
        return
    held = read_staged(computed)
    if _write(held.transform(unsettled_keys, contract), keys):
        write_by_verdict(held.transform(with_undisputed_verdicts, contract, unsettled=read_staged(keys)), folder)
        _judge_disputed(contract, folder=folder)
    else:
        Path(folder).mkdir()
        Path(computed).rename(f"{folder}/_verdict={ACCEPTED}")
    discard(keys)
    discard(computed)


def _judge_disputed(contract: Contract, *, folder: str) -> None:
    together = f"{folder}/_verdict={DISPUTED}"
    if staged_rows(together):
        rows = read_staged(together)
        ages = [name for name in (*contract.newest_by, "_ingested_at") if name in rows.columns]
        write_by_verdict(rows.transform(with_verdicts_by_key, contract, ages=ages), folder)
    discard(together)


def _judge_unique(contract: Contract, *, folder: str, beside: "DataFrame | None") -> None:
    judged, flagged = read_staged(folder), f"{folder}.flagged"
    if broken := broken_unique_rules(judged, contract, beside=beside):
        discard(flagged)
        write_by_verdict(judged.transform(with_unique_flags, contract, rules=broken, beside=beside), flagged)
        discard(folder)
        Path(flagged).rename(folder)


def _write(df: "DataFrame", folder: str) -> int:
    """How many rows it were."""
    df.write.option("compression", _COMPRESSION).parquet(folder)
    return staged_rows(folder)
