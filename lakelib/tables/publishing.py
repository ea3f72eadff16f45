"""Tables out: each verb stages, audits and publishes in one Delta commit, or changes nothing."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from lakelib import context, events
from lakelib.contracts import Contract, table_schema
from lakelib.engine import Commit, Engine, Merge, Written
from lakelib.errors import RuleError, SchemaError, TableNameError
from lakelib.intervals import Interval
from lakelib.quality import ACCEPTED
from lakelib.tables.holding import held_rows
from lakelib.tables.remembering import labelled
from lakelib.tables.staging import Staged, check_given, check_table, stage, unstage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = [
    "append",
    "check_gone",
    "check_key",
    "check_target",
    "create",
    "differs",
    "merge",
    "overwrite",
    "publish",
    "publish_nothing",
    "replace",
]


class Write(Protocol):
    """One of the engine's writes, with the staged rows already given to it."""

    def __call__(self, table: str, *, commit: Commit) -> Written: ...


def append(df: "DataFrame", contract: Contract, *, batch: str) -> None:
    """Adds the rows of `df`, each batch once: rows that the table holds of a batch make way for those of `df`.

    `batch` names the column whose values tell batches apart, null being one. Repeating an append changes no row.
    """
    check_given(df, contract)
    with _staged(df, contract) as staged:
        if where := _batches(staged, batch):
            publish(contract, partial(_engine().replace, staged.accepted, where=where), verb="append")
        else:
            publish_nothing(contract, verb="append")


def replace(df: "DataFrame", contract: Contract, *, interval: Interval, on: str) -> None:
    """The rows whose date column `on` lies in the interval become those of `df`, also when there are none.

    Raises:
        RuleError: `df` has rows outside of the interval.
    """
    from pyspark.sql import functions as F

    check_given(df, contract)
    inside = F.col(on).between(F.lit(interval.start), F.lit(interval.end))
    if df.where(~F.coalesce(inside, F.lit(False))).limit(1).count():
        raise RuleError(
            f"Rows for {contract.name} were to replace {interval} of {on}; some lie outside of it.",
            hint="Filter them, or widen the interval.",
            rules=["interval"],
        )
    where = f"`{on}` >= DATE '{interval.start}' AND `{on}` <= DATE '{interval.end}'"
    with _staged(df, contract) as staged:
        publish(contract, partial(_engine().replace, staged.accepted, where=where), verb="replace")


def merge(df: "DataFrame", contract: Contract) -> None:
    """Each key's newest row, of `df` and the table, by the contract's key and `newestBy`.

    Of several rows of `df` with one key the newest good one counts. It replaces the table's row when it is newer, or
    as old with other values; rows that would change nothing are not written, so a rerun makes no commit. Without
    `newestBy`, what is written last is the newest.
    """
    check_given(df, contract)
    check_key(contract, "merge")
    condition = Merge(
        key=contract.key,
        update_when=_is_newer(contract, or_tied_and=_differs(contract)),
        newer_when=_is_newer(contract, or_tied_and="false"),
        tied_when=_is_tied(contract),
    )
    with _staged(df, contract, beside=held_rows(contract.name)) as staged:
        publish(contract, partial(_engine().merge, staged.accepted, merge=condition), verb="merge")


def overwrite(df: "DataFrame", contract: Contract) -> None:
    """The table becomes `df`: new keys are inserted, changed rows updated, missing keys deleted, equal rows left alone.

    Raises:
        RuleError: `df` would delete more of the table's keys than the contract's `mostGonePercent` (50).
    """
    check_given(df, contract)
    check_key(contract, "overwrite")
    condition = Merge(key=contract.key, update_when=_differs(contract), is_deleting_missing=True)
    with _staged(df, contract) as staged:
        check_gone(staged, contract)
        publish(contract, partial(_engine().merge, staged.accepted, merge=condition), verb="overwrite")


def publish(contract: Contract, write: Write, *, verb: str) -> None:
    """Makes the table where there is none, lets `write` make its commit, and tells what happened.

    From then on the run reads the table as it wrote it.
    """
    run, started = context.current(), time.monotonic()
    path = create(contract)
    written = write(path, commit=labelled(run.commit(verb), contract))
    run.pins[contract.name] = written.version
    _tell(contract, written, verb=verb, seconds=time.monotonic() - started)


def publish_nothing(contract: Contract, *, verb: str) -> None:
    """Makes the table where there is none and tells that there was nothing to write."""
    path = create(contract)
    version = context.current().engine.version(path) or 0
    _tell(contract, Written(version, is_committed=False), verb=verb, seconds=0)


def create(contract: Contract) -> str:
    """Makes the table from its contract where there is none; its path."""
    run = context.current()
    path = run.path(contract.name)
    run.engine.create(path, table_schema(contract), commit=labelled(run.commit("create"), contract))
    return path


def _tell(contract: Contract, written: Written, *, verb: str, seconds: float) -> None:
    events.publish(
        events.Published(
            str(contract.name),
            verb,
            written.version,
            inserted=written.inserted,
            updated=written.updated,
            deleted=written.deleted,
            is_committed=written.is_committed,
            seconds=round(seconds, 3),
        )
    )


@contextmanager
def _staged(df: "DataFrame", contract: Contract, *, beside: "DataFrame | None" = None) -> Iterator[Staged]:
    """The staged rows of a write; they are left for a look when the write fails."""
    check_target(contract)
    check_table(contract)
    staged = stage(df, contract, beside=beside)
    yield staged
    unstage(staged)


def _engine() -> Engine:
    return context.current().engine


def check_target(contract: Contract) -> None:
    """Raises TableNameError where the contract is not that of the table for which the notebook was started."""
    target = context.current().target
    if target is not None and contract.name != target:
        raise TableNameError(
            f"A notebook that was started for {target} writes {contract.name}.",
            hint="One notebook writes one table: pass `run.contract`, or split the notebook.",
        )


def check_key(contract: Contract, verb: str) -> None:
    """Raises SchemaError where the contract has no key."""
    if not contract.key:
        raise SchemaError(
            f"{verb} was asked for {contract.name}, whose contract names no key.",
            hint=f"Mark the key's columns with `primaryKey: true` in {contract.path}.",
        )


def _batches(staged: Staged, column: str) -> str:
    """The rows of the accepted ones' batches, in SQL; nothing where none was accepted."""
    from pyspark.sql import functions as F

    if not staged.rows(ACCEPTED):
        return ""
    batch, rows = F.col(f"`{column}`"), _engine().session.read.parquet(staged.accepted)
    kind = rows.schema[column].dataType.typeName()
    # As text by the engine: of an instant Python would get this machine's time.
    text = F.hex(batch) if kind == "binary" else batch.cast("string")
    values = [value for (value,) in rows.select(text).distinct().collect()]
    told = sorted(_literal(value, kind) for value in values if value is not None)
    parts = [
        *([f"`{column}` IN ({', '.join(told)})"] if told else []),
        *([f"`{column}` IS NULL"] if None in values else []),
    ]
    return " OR ".join(parts)


def _literal(text: str, kind: str) -> str:
    """In SQL; what stands in quotes becomes a number, a date or an instant where it is compared with one."""
    quoted = "'" + text.replace("'", "''") + "'"
    return {"boolean": text, "binary": f"X{quoted}"}.get(kind, quoted)


def differs(names: Sequence[str]) -> str:
    """Whether the staged row has another value than the table's in one of these columns; null is a value."""
    same = " AND ".join(f"(s.`{name}` IS NOT DISTINCT FROM t.`{name}`)" for name in names)
    return f"NOT ({same})" if names else "false"


def _differs(contract: Contract) -> str:
    return differs([name for name in contract.column_names if name not in contract.key])


def _is_newer(contract: Contract, *, or_tied_and: str) -> str:
    """Lexicographic over `newestBy`, null oldest; a row as old as the table's has to satisfy `or_tied_and`."""
    condition = or_tied_and
    for name in reversed(contract.newest_by):
        ours, theirs = f"s.`{name}`", f"t.`{name}`"
        newer = f"{ours} > {theirs} OR ({theirs} IS NULL AND {ours} IS NOT NULL)"
        condition = f"({newer} OR (({ours} IS NOT DISTINCT FROM {theirs}) AND ({condition})))"
    return condition


def _is_tied(contract: Contract) -> str:
    return " AND ".join(f"(s.`{name}` IS NOT DISTINCT FROM t.`{name}`)" for name in contract.newest_by) or "true"


def check_gone(staged: Staged, contract: Contract) -> None:
    """Raises RuleError where more of the table's keys than `mostGonePercent` are not among the staged rows."""
    held = held_rows(contract.name)
    if held is None:
        return
    total = held.count()
    kept = 0
    if staged.rows(ACCEPTED):
        kept = held.join(_engine().session.read.parquet(staged.accepted), contract.key, "left_semi").count()
    if (total - kept) * 100 > contract.most_gone_percent * total:
        raise RuleError(
            f"Nothing was published to {contract.name}: {total - kept} of its {total} keys would go, more than "
            f"{contract.most_gone_percent:g} percent.",
            hint=f"If that is right, raise `mostGonePercent` in {contract.path} for this run.",
            rules=["most_gone"],
        )
