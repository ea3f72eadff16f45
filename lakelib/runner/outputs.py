"""What two runs made of one table: the rows that came, went, or have other values."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from lakelib.contracts import load_contract
from lakelib.engine.conditions import any_of
from lakelib.errors import EngineError, first_line
from lakelib.names import TableName
from lakelib.runner.receipt import Receipt
from lakelib.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["OF_THE_RUN", "RowChanges", "row_changes", "rows_of"]

# They tell one run from another, not one result from another.
OF_THE_RUN: Final = ("_run_id", "_updated_at", "_ingested_at")
_CHANGES: Final = ("added", "removed", "changed")


@dataclass(frozen=True)
class RowChanges:
    """From the table's version `left` to its version `right`, rows told apart by the contract's key.

    `examples` are the first few by their keys: the key's columns, `change`, and `values`, in which a changed value is
    a pair of what it was and what it is.
    """

    table: str
    left: int
    right: int
    added: int
    removed: int
    changed: int
    examples: Sequence[Mapping[str, Any]]


def row_changes(left: Receipt, right: Receipt, *, settings: Settings, examples: int = 5) -> RowChanges | None:
    """Between the versions that the runs left behind; None for runs of two tables, of one outside of gold, or of one
    without a key.

    Raises:
        ContractError: the table has no contract that can be held.
        EngineError: rows of these versions can't be read any more.
    """
    name = TableName.parse(left.table)
    if left.table != right.table or name.layer != "gold":
        return None
    key = load_contract(name, settings.project / "contracts").key
    before, after = (_version_left(receipt, settings) for receipt in (left, right))
    if not key or min(before, after) < 0:
        return None
    if before == after:
        return RowChanges(left.table, before, after, 0, 0, 0, [])
    path = name.path(settings.warehouse)
    with rows_of(left.table):
        counts, rows = _compared(path, key, settings, versions=(before, after), examples=examples)
    added, removed, changed = (counts.get(change, 0) for change in _CHANGES)
    return RowChanges(left.table, before, after, added, removed, changed, rows)


@contextmanager
def rows_of(table: str) -> Iterator[None]:
    """Raises EngineError where the engine can't read rows of the table, as when their files are gone."""
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        raise EngineError(
            f"The rows of {table} were to be compared and can't be read: {first_line(error)}",
            hint="A file of it that is gone or damaged comes back from a copy only.",
        ) from error


def _version_left(receipt: Receipt, settings: Settings) -> int:
    """The version after the run; one that changed nothing left the table as it found it. -1 where there was none."""
    from lakelib.engine.delta_log import find_table, version_at

    if own := [int(write["version"]) for write in receipt.writes if write["table"] == receipt.table]:
        return max(own)
    path = TableName.parse(receipt.table).path(settings.warehouse)
    if find_table(path) is None:
        return -1
    return version_at(path, datetime.fromisoformat(receipt.finished_at or receipt.started_at))


def _compared(
    path: str, key: Sequence[str], settings: Settings, *, versions: tuple[int, int], examples: int
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """How many rows there are of each change, and the first few."""
    from lakelib.engine import open_engine

    with closing(open_engine(settings)) as engine:
        delta = engine.session.read.format("delta")
        before, after = (delta.option("versionAsOf", version).load(path) for version in versions)
        names = [name for name in after.columns if name in before.columns and name not in (*key, *OF_THE_RUN)]
        changes = _changes(before, after, key=key, values=names)
        counts = {row["change"]: row["count"] for row in changes.groupBy("change").count().collect()}
        rows = changes.orderBy(*key).limit(examples).collect()
    return counts, [_example(row.asDict(), key, names) for row in rows]


def _changes(before: "DataFrame", after: "DataFrame", *, key: Sequence[str], values: Sequence[str]) -> "DataFrame":
    """The key, `change`, and each value twice, as it was and as it is, of the rows that are not the same."""
    from pyspark.sql import functions as F

    was = before.select(*key, F.lit(True).alias("_was"), *(F.col(name).alias(f"was_{name}") for name in values))
    became = after.select(*key, F.lit(True).alias("_is"), *(F.col(name).alias(f"is_{name}") for name in values))
    is_other = any_of(~F.col(f"was_{name}").eqNullSafe(F.col(f"is_{name}")) for name in values)
    change = F.when(F.col("_was").isNull(), "added").when(F.col("_is").isNull(), "removed").when(is_other, "changed")
    return (
        was.join(became, on=list(key), how="full")
        .withColumn("change", change)
        .where(F.col("change").isNotNull())
        .drop("_was", "_is")
    )


def _example(row: Mapping[str, Any], key: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    pairs = {name: (row[f"was_{name}"], row[f"is_{name}"]) for name in names}
    match row["change"]:
        case "added":
            values: dict[str, Any] = {name: after for name, (_, after) in pairs.items()}
        case "removed":
            values = {name: before for name, (before, _) in pairs.items()}
        case _:
            values = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return {name: row[name] for name in key} | {"change": row["change"], "values": values}
