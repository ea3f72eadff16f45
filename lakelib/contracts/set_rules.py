"""The promises of a contract file that no row keeps alone: unique values, references, queries over a batch."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from open_data_contract_standard.model import DataQuality, Relationship, SchemaObject, SchemaProperty

from lakelib.contracts.model import Contract, Level, Query, Reference, Rule
from lakelib.contracts.place import Place
from lakelib.contracts.thresholds import comparison
from lakelib.errors import TableNameError
from lakelib.names import TableName

__all__ = ["check_set_rules", "queries", "references_of_column", "references_of_table", "unique_rule"]

_UNIQUE: Final = "not_unique"
_REFERENCE: Final = "unknown_reference"


def unique_rule(columns: Sequence[str], *, code: str | None = None, level: Level = "error") -> Rule:
    """No two rows have the values of these columns in common; rows with a null in one of them are left out."""
    return Rule(code or _UNIQUE, "unique", tuple(columns), columns[0] if len(columns) == 1 else None, level)


def references_of_column(column: SchemaProperty, place: Place) -> Iterator[Rule]:
    for number, given in enumerate(column.relationships or ()):
        yield _reference(given, [column.name or ""], place.at(f"relationships.{number}"))


def references_of_table(table: SchemaObject, place: Place) -> Iterator[Rule]:
    for number, given in enumerate(table.relationships or ()):
        own = [each.rpartition(".")[2] for each in _listed(given.from_)]
        yield _reference(given, own, place.at(f"relationships.{number}"))


def queries(table: SchemaObject, place: Place) -> Iterator[Query]:
    """The rules of `type: sql`, of the table and of its columns.

    Raises:
        ContractError: a query that has no bound, or that does not name its rows {object}.
    """
    for quality in table.quality or ():
        if quality.type == "sql":
            yield _query(quality, place.at(f"quality.{quality.name or 'sql'}"), column="")
    for column in table.properties or ():
        for quality in column.quality or ():
            if quality.type == "sql":
                at = place.at(f"properties.{column.name}.quality.{quality.name or 'sql'}")
                yield _query(quality, at, column=column.name or "")


def check_set_rules(contract: Contract, place: Place) -> None:
    """Raises ContractError for unique values and references that the contract's table can't have."""
    for rule in contract.rules:
        if rule.check == "unique":
            _check_unique(rule, contract, place)
        elif rule.check == "reference":
            _check_reference(rule.argument, contract, place)


def _check_unique(rule: Rule, contract: Contract, place: Place) -> None:
    at = place.at(f"properties.{rule.column}" if rule.column else "quality")
    if unknown := [name for name in rule.argument if name not in contract.column_names]:
        raise at.error(f"promises unique values of {', '.join(unknown)}, which is no column of the contract")
    if not contract.key and contract.name.layer != "bronze":
        raise at.error(
            f"promises {rule.code}; the table has no key, so that rows can't be told apart",
            hint="Mark the columns of the primary key, or make these columns the key.",
        )
    if contract.keeps_history:
        raise at.error(f"promises {rule.code}; a table that keeps history has a row for each version")


def _check_reference(reference: Reference, contract: Contract, place: Place) -> None:
    own = [name for name, _ in reference.columns]
    at = place.at(f"properties.{own[0]}.relationships" if len(own) == 1 else "relationships")
    if unknown := [name for name in own if name not in contract.column_names]:
        raise at.error(f"is of {', '.join(unknown)}, which is no column of the contract")
    if reference.table == contract.name:
        raise at.error(
            "refers to the table itself, which is not held", hint="Check it in the notebook, before the write."
        )


def _reference(given: Relationship, own: list[str], place: Place) -> Rule:
    to = [each.rpartition(".") for each in _listed(given.to)]
    tables, theirs = {table for table, _, _ in to}, [column for _, _, column in to]
    if len(tables) != 1 or len(own) != len(theirs):
        raise place.at("to").error(
            f"is {given.to!r}; it takes columns of one table, as many as refer to them",
            hint="Write `to: silver.airports.faa`, or lists in `from` and `to` for a key of several columns.",
        )
    reference = Reference(_table(tables.pop(), place), tuple(zip(own, theirs, strict=True)))
    column = own[0] if len(own) == 1 else None
    return Rule(_REFERENCE, "reference", reference, column, _level(given, place))


def _table(name: str, place: Place) -> TableName:
    try:
        return TableName.parse(name)
    except TableNameError as error:
        raise place.at("to").error(
            f"refers to table {name!r}, which is no layer.table", hint="Write `to: silver.airports.faa`."
        ) from error


def _level(given: Relationship, place: Place) -> Level:
    properties = {each.property or "": each.value for each in given.customProperties or ()}
    told = dict(place.at("customProperties").known(properties, ["severity"])).get("severity", "error")
    if told not in ("error", "warning"):
        raise place.at("customProperties.severity").error(f"is {told!r}, neither error nor warning")
    return "warning" if told == "warning" else "error"


def _query(quality: DataQuality, place: Place, *, column: str) -> Query:
    sql = (quality.query or "").replace("${table}", "{object}").replace("${column}", "{property}")
    sql = sql.replace("{property}", f"`{column}`") if column else sql
    if "{object}" not in sql or "{property}" in sql:
        raise place.at("query").error(
            f"is {quality.query!r}",
            hint="The query names its rows {object}, and in a column's rule the column {property}: "
            "SELECT count(*) FROM {object} WHERE {property} < 0.",
        )
    if quality.severity == "warning":
        raise place.at("severity").error("is warning; a query is about no row that could be counted")
    return Query(quality.name or "query", sql, comparison(quality, place))


def _listed(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())
