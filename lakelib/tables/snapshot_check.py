"""Whether a full snapshot is whole: one that lacks most of what the snapshot before had is held for a person."""

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lakelib import context
from lakelib.contracts import Contract
from lakelib.errors import DeliveryRefusedError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["check_snapshot"]


def check_snapshot(
    name: str,
    contract: Contract,
    *,
    on: date | None,
    rows: Path | None,
    loaded: Collection[date | None],
    parsed: Mapping[date | None, Path],
) -> None:
    """Compares the snapshot's keys with those of the newest one up to its date, which may be the table's or this run's.

    `rows` is the snapshot's Parquet file, None where it has no rows; `loaded` are the dates of the table's snapshots,
    `parsed` the files of those that this run took before.

    Raises:
        DeliveryRefusedError: MASS_DELETE, held, when more than `mostGonePercent` of the earlier keys are not in it.
    """
    earlier = [day for day in {*loaded, *parsed} if _rank(day) <= _rank(on)]
    if not earlier:
        return
    day = max(earlier, key=_rank)
    before = _keys(parsed[day], contract) if day in parsed else _table_keys(contract, day)
    total, kept = before.count(), 0
    if rows is not None:
        kept = before.join(_keys(rows, contract), before.columns, "left_semi").count()
    if (total - kept) * 100 > contract.most_gone_percent * total:
        raise DeliveryRefusedError(
            f"{name} is held (MASS_DELETE): a full snapshot was expected; {total - kept:,} of the {total:,} keys in the"
            f" one before are not in it, more than {contract.most_gone_percent:g} percent.",
            hint="Deliver a complete snapshot.",
            reason="MASS_DELETE",
            verdict="held",
        )


def _rank(day: date | None) -> date:
    return day or date.min


def _keys(rows: Path, contract: Contract) -> "DataFrame":
    return _distinct_keys(context.current().engine.session.read.parquet(str(rows)), contract)


def _table_keys(contract: Contract, day: date | None) -> "DataFrame":
    """Of the table's snapshots of one day, the keys of the one ingested last."""
    from pyspark.sql import functions as F

    run = context.current()
    snapshots = run.engine.session.read.format("delta").load(run.path(contract.name))
    of_the_day = snapshots.where(F.col("_delivered_on").eqNullSafe(F.lit(day).cast("date")))
    last = of_the_day.agg(F.max_by("_source_sha256", "_ingested_at")).collect()[0][0]
    return _distinct_keys(of_the_day.where(F.col("_source_sha256") == F.lit(last)), contract)


def _distinct_keys(rows: "DataFrame", contract: Contract) -> "DataFrame":
    """Under names of our own: a delivered one may have a dot in it, which is a step into a struct elsewhere."""
    from pyspark.sql import functions as F

    named = ("`{}`".format(name.replace("`", "``")) for name in contract.snapshot_key)
    return rows.select(*(F.col(name).alias(f"key_{number}") for number, name in enumerate(named))).distinct()
