"""Contracts checked against each other, against the engine's SQL, and against the tables on disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakelib import context
from lakelib.contracts import Contract, table_schema
from lakelib.errors import ContractError, LakeError, first_line
from lakelib.names import TableName
from lakelib.tables.migrating import check_version, plan_migration

__all__ = ["Problem", "contract_problems"]


@dataclass(frozen=True)
class Problem:
    """`level` is error, or warning for what only waits to be done."""

    table: str
    level: str
    message: str
    hint: str = ""


def contract_problems(names: Sequence[TableName]) -> list[Problem]:
    """What is wrong with the contracts of these tables.

    A contract is valid; what it refers to exists, with the same type; its conditions and queries are SQL over its own
    columns; and the table, where there is one, has its columns and its key.
    """
    contracts: dict[TableName, Contract] = {}
    problems = []
    for name in names:
        try:
            contracts[name] = context.current().contract(name)
        except ContractError as error:
            problems.append(Problem(str(name), "error", error.message, error.hint))
    for contract in contracts.values():
        problems += [*_references(contract, contracts), *_conditions(contract), *_table(contract)]
    return problems


def _references(contract: Contract, contracts: Mapping[TableName, Contract]) -> Iterator[Problem]:
    types = {column.name: column.type for column in contract.columns}
    for rule in contract.rules:
        if rule.check != "reference":
            continue
        try:
            other = contracts.get(rule.argument.table) or context.current().contract(rule.argument.table)
        except ContractError as error:
            yield _problem(contract, f"{rule.title} refers to {rule.argument.table}. {error.message}", error.hint)
            continue
        theirs = {column.name: column.type for column in other.columns}
        for own, name in rule.argument.columns:
            if theirs.get(name) != types[own]:
                found = f"is {theirs[name]}" if name in theirs else "is no column there"
                yield _problem(contract, f"{own} ({types[own]}) refers to {other.name}.{name}, which {found}.")


def _conditions(contract: Contract) -> Iterator[Problem]:
    """The engine resolves each without running anything."""
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    rules = [rule for rule in contract.rules if rule.check == "condition"]
    if not rules and not contract.queries:
        return
    session = context.current().engine.session
    rows = session.createDataFrame([], table_schema(contract))
    for rule in rules:
        try:
            _ = rows.where(F.expr(rule.argument)).schema
        except PySparkException as error:
            yield _problem(contract, f"{rule.title}: {rule.argument} is no condition: {first_line(error)}")
    rows.createOrReplaceTempView("_lakelib_checked")
    for query in contract.queries:
        try:
            _ = session.sql(query.sql.replace("{object}", "_lakelib_checked")).schema
        except PySparkException as error:
            yield _problem(contract, f"{query.code}: {query.sql} is no query: {first_line(error)}")


def _table(contract: Contract) -> Iterator[Problem]:
    migration = plan_migration(contract)
    if migration is None or not migration.changes or contract.name.layer == "bronze":
        return
    says = "; ".join(map(str, migration.changes))
    try:
        check_version(migration)
    except LakeError as error:
        yield _problem(contract, error.message, error.hint)
        return
    hint = f"lake migrate {contract.name} --dry-run"
    yield Problem(str(contract.name), "warning", f"The table on disk is to be migrated: {says}.", hint)


def _problem(contract: Contract, message: str, hint: str = "") -> Problem:
    return Problem(str(contract.name), "error", message, hint or f"Change {contract.path}.")
