"""From the columns that a table has to those of its contract: one explicit step, one Delta commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakelib import context
from lakelib.contracts import Contract, table_schema
from lakelib.contracts.evolution import Change, column_changes, is_major_bump, key_changes, sources
from lakelib.engine import Commit
from lakelib.engine.conditions import all_of
from lakelib.engine.staged_files import parquet_options
from lakelib.errors import ContractError, SchemaError
from lakelib.names import TableName, user_name
from lakelib.tables.discarding import discard
from lakelib.tables.finding import not_found
from lakelib.tables.remembering import labelled, remembered

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructField, StructType

__all__ = ["Migration", "apply", "check_version", "migrate", "plan_migration"]


@dataclass(frozen=True)
class Migration:
    """What has to change in the table of `contract`, which has the columns `held` at `version`.

    `written_under` is the version of the contract that it was last written under, where that is known.
    """

    contract: Contract
    version: int
    held: Mapping[str, str]
    written_under: str | None
    changes: Sequence[Change]

    @property
    def is_additive(self) -> bool:
        return all(change.kind == "added" for change in self.changes)


def plan_migration(contract: Contract) -> Migration | None:
    """None where there is no table yet."""
    run = context.current()
    path = run.path(contract.name)
    version = run.engine.version(path)
    if version is None:
        return None
    held = {field.name: field.dataType.simpleString() for field in _rows(path, version).schema}
    before = remembered(path)
    changes = column_changes(held, contract)
    if before is not None:
        changes += key_changes(before.key, contract)
    return Migration(contract, version, held, None if before is None else before.version, changes)


def migrate(name: str, *, reason: str) -> Migration:
    """Gives the table the columns and the key of its contract, in one commit; what had to be changed.

    New columns are null, renamed ones (`formerNames`) keep their values, types change where every value is kept. The
    table's history stays, each version readable under its own columns; the commit says who, why, from which version
    of the contract to which, and what changed. Nothing to change makes no commit. A process that is killed leaves the
    table as it was, or done.

    Raises:
        TableNotFoundError: nothing has been written there yet.
        ContractError: a change breaks readers, and the contract's major version is that of before.
        SchemaError: a value does not fit its new type, or the new key's values are missing or there twice.
        CommitConflictError: another writer was faster; nothing is changed.
    """
    contract = context.current().contract(TableName.parse(name))
    migration = plan_migration(contract)
    if migration is None:
        raise not_found(name)
    if migration.changes:
        apply(migration, reason=reason)
    return migration


def apply(migration: Migration, *, reason: str) -> None:
    """Makes the commit of `migrate`, which raises the same."""
    check_version(migration)
    run, contract = context.current(), migration.contract
    commit = _label(migration, reason=reason)
    if migration.is_additive:
        run.engine.add_columns(run.path(contract.name), table_schema(contract), commit=commit)
    else:
        _rewrite(migration, run.path(contract.name), commit=commit)


def check_version(migration: Migration) -> None:
    """Raises ContractError where a breaking change comes without a major version of the contract."""
    contract, before = migration.contract, migration.written_under
    breaking = [str(change) for change in migration.changes if change.is_breaking]
    if breaking and before is not None and not is_major_bump(before, contract.version):
        raise ContractError(
            f"{contract.name} was written under version {before} of its contract; version {contract.version} breaks "
            f"who reads it: {'; '.join(breaking)}.",
            hint=f"Raise the first number of `version` in {contract.path}, and tell the readers.",
        )


def _label(migration: Migration, *, reason: str) -> Commit:
    told = {
        "by": user_name(),
        "reason": reason,
        "from_contract": migration.written_under,
        "changes": [str(change) for change in migration.changes],
    }
    # It is made from the table alone: what the run has read so far is in no row of it yet (`tables.changes`).
    return labelled(context.current().commit("migrate"), migration.contract, migration=told, reads={})


def _rewrite(migration: Migration, path: str, *, commit: Commit) -> None:
    run, contract = context.current(), migration.contract
    rows = _rows(path, migration.version)
    _check_values(rows, migration)
    schema = _schema(migration, rows)
    migrated = rows.select(*(_column(field, migration) for field in schema))
    if any(change.kind == "key" for change in migration.changes):
        _check_key(migrated, contract)
    folder = run.staging(contract.name)
    discard(folder)
    migrated.write.options(**parquet_options(column.type for column in contract.columns)).parquet(folder)
    run.engine.rewrite(folder, path, schema=schema, version=migration.version, commit=commit)
    discard(folder)


def _rows(path: str, version: int) -> "DataFrame":
    session = context.current().engine.session
    return session.read.format("delta").option("versionAsOf", version).load(path)


def _schema(migration: Migration, rows: "DataFrame") -> "StructType":
    """The contract's; bronze keeps the columns that its contract does not know."""
    from pyspark.sql.types import StructType

    promised = table_schema(migration.contract)
    if migration.contract.name.layer != "bronze":
        return promised
    known = sources(migration.held, migration.contract).values()
    return StructType([*promised, *(field for field in rows.schema if field.name not in known)])


def _column(field: "StructField", migration: Migration) -> "Column":
    from pyspark.sql import functions as F

    source = sources(migration.held, migration.contract).get(field.name, field.name)
    value = F.lit(None) if source is None else F.col(source)
    return value.try_cast(field.dataType).alias(field.name)


def _check_values(rows: "DataFrame", migration: Migration) -> None:
    """Every value of a retyped column is the same when it is read back as its former type; by one query."""
    from pyspark.sql import functions as F

    found = sources(migration.held, migration.contract)
    promised = {field.name: field.dataType.simpleString() for field in table_schema(migration.contract)}
    retyped = {name: source for name, source in found.items() if source and migration.held[source] != promised[name]}
    if not retyped:
        return
    lost = {
        name: ~F.col(source).try_cast(promised[name]).try_cast(migration.held[source]).eqNullSafe(F.col(source))
        for name, source in retyped.items()
    }
    shown = (
        F.min(F.when(is_lost, F.col(retyped[name]).cast("string"))).alias(f"_{name}") for name, is_lost in lost.items()
    )
    [counts] = rows.select(*(F.count_if(is_lost).alias(name) for name, is_lost in lost.items()), *shown).collect()
    if told := [
        f"{counts[name]} values of {name} do not fit {promised[name]}, such as {counts[f'_{name}']!r}"
        for name in lost
        if counts[name]
    ]:
        raise SchemaError(
            f"{migration.contract.name} can't be migrated: {'; '.join(told)}.",
            hint="Choose a type that holds them, or clean them in the notebook under another column's name first.",
        )


def _check_key(migrated: "DataFrame", contract: Contract) -> None:
    from pyspark.sql import functions as F

    names = [*contract.key, *(["_valid_from"] if contract.keeps_history else [])]
    is_known = all_of(F.col(name).isNotNull() for name in contract.key)
    counted = migrated.groupBy(*names).count().where((F.col("count") > 1) | ~is_known)
    if broken := counted.limit(1).collect():
        found = ", ".join(f"{name} = {broken[0][name]}" for name in names)
        raise SchemaError(
            f"{contract.name} can't be migrated: its rows are not told apart by ({', '.join(contract.key)}); "
            f"{broken[0]['count']} of them have {found}.",
            hint="Choose another key, or build the table again from bronze: docs/how-to/change-a-contract.md.",
        )
