"""Contract files: Open Data Contract Standard 3.1 (https://bitol-io.github.io/open-data-contract-standard/v3.1.0/).

Beside the standard's own fields lakelib reads these custom properties. Of the table: `newestBy` (a column or a list),
`mostRejectedPercent`, `mostGonePercent`, `keepsHistory`, `snapshotKey`, `evolution`. Of a column: `mayBeAbsent`,
`tracked`, `sentinels`, `formerNames`. A quality rule of type `custom` with engine `lakelib` holds a row condition in
SQL as its `implementation`. What would be a promise that lakelib does not hold is refused.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    Team,
)
from pydantic import BaseModel, ValidationError
from yaml import YAMLError

from lakelib.contracts.declared_types import declared_type
from lakelib.contracts.model import Column, Contract, ServiceLevel
from lakelib.contracts.place import Place
from lakelib.contracts.rules import check_values, row_count, row_rules
from lakelib.contracts.set_rules import check_set_rules, queries
from lakelib.errors import ContractNotFoundError, TableNameError, closest
from lakelib.files import read_yaml
from lakelib.names import TableName

__all__ = ["load_contract", "read_contract"]

_TABLE_PROPERTIES: Final = (
    "newestBy",
    "mostRejectedPercent",
    "mostGonePercent",
    "keepsHistory",
    "snapshotKey",
    "evolution",
)
_COLUMN_PROPERTIES: Final = ("mayBeAbsent", "tracked", "sentinels", "formerNames")
_AGES: Final = ("_delivered_on", "_ingested_at")
_NOT_HELD: Final = {
    "partitioned": "lakelib does not partition tables.",
    "encryptedName": "lakelib does not encrypt columns.",
}


def load_contract(name: TableName, folder: Path) -> Contract:
    """The contract of table `name` from `<folder>/<layer>/<table>.yml`.

    Raises:
        ContractNotFoundError: no such file.
        ContractError: not YAML, a field that ODCS does not know, or what lakelib can't hold.
    """
    path = name.contract_file(folder)
    if not path.is_file():
        known = sorted(f"{p.parent.name}.{p.stem}" for p in folder.glob("*/*.yml"))
        raise ContractNotFoundError(
            f"The contract of {name} was looked for at {path}, and there is none.",
            hint=f"Write it, or check the name. {closest(str(name), known)}",
        )
    return read_contract(path, name)


def read_contract(path: Path, name: TableName | None = None) -> Contract:
    """The contract in a file at any place; without a name, of the table that its `physicalName` or its `id` names.

    Raises:
        ContractError: not YAML, a field that ODCS does not know, what lakelib can't hold, or no table is named.
    """
    odcs = _odcs(Place(path))
    name = name or _named(odcs, Place(path))
    table, place = _table(odcs, name, Place(path)), Place(path, "schema.0")
    contract = _contract(odcs, table, name=name, place=place)
    _check_columns(contract, place)
    check_set_rules(contract, place)
    check_values(contract, place)
    if contract.name.layer == "bronze":
        _check_bronze(contract, place)
    return contract


def _odcs(place: Place) -> OpenDataContractStandard:
    try:
        text = read_yaml(place.path)
    except (YAMLError, ValueError) as error:
        raise place.error(f"is not YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(text, Mapping):
        raise place.error("does not hold a mapping")
    for field, known in _unknown_fields(text, OpenDataContractStandard):
        raise place.at(field).error("is not a field of ODCS 3.1", hint=closest(field.rpartition(".")[2], known))
    try:
        odcs = OpenDataContractStandard(**text)
    except ValidationError as error:
        first = error.errors()[0]
        found = f"is {str(first['input'])!r:.60}: {first['msg']}"
        raise place.at(".".join(map(str, first["loc"]))).error(found) from error
    for each in odcs.customProperties or ():
        if each.property in (*_TABLE_PROPERTIES, *_COLUMN_PROPERTIES):
            raise place.at(f"customProperties.{each.property}").error("is not held here, but of a table or a column")
    return odcs


def _named(odcs: OpenDataContractStandard, place: Place) -> TableName:
    physical = next((table.physicalName for table in odcs.schema_ or () if table.physicalName), None)
    try:
        return TableName.parse(physical or odcs.id or "")
    except TableNameError as error:
        raise place.at("id").error(f"is {odcs.id}, which names no table", hint="Write it as silver.flights.") from error


def _table(odcs: OpenDataContractStandard, name: TableName, place: Place) -> SchemaObject:
    if len(odcs.schema_ or ()) != 1:
        raise place.at("schema").error(f"holds {len(odcs.schema_ or ())} tables; a contract describes one")
    table = (odcs.schema_ or [])[0]
    if table.physicalName not in (None, str(name)):
        raise place.at("schema.0.physicalName").error(f"is {table.physicalName}; by its place the table is {name}")
    return table


def _contract(odcs: OpenDataContractStandard, table: SchemaObject, *, name: TableName, place: Place) -> Contract:
    properties = _custom(table.customProperties, place, known=_TABLE_PROPERTIES)
    return Contract(
        name=name,
        version=odcs.version or "",
        title=odcs.name or str(name),
        description=table.description or "",
        columns=tuple(_column(each, place.at(f"properties.{each.name or '?'}")) for each in table.properties or ()),
        rules=tuple(row_rules(table, place)),
        newest_by=_names("newestBy", properties.get("newestBy") or [], place),
        row_count=row_count(table, place),
        most_rejected_percent=_percent("mostRejectedPercent", properties.get("mostRejectedPercent", 100), place=place),
        most_gone_percent=_percent("mostGonePercent", properties.get("mostGonePercent", 50), place=place),
        snapshot_key=_names("snapshotKey", properties.get("snapshotKey", []), place),
        keeps_history=_flag("keepsHistory", properties.get("keepsHistory", False), place=place),
        evolution=_evolution(properties.get("evolution"), place, name=name),
        queries=tuple(queries(table, place)),
        service_levels=tuple(
            ServiceLevel(each.property or "", each.value, each.unit, each.element, each.description)
            for each in odcs.slaProperties or ()
        ),
        domain=odcs.domain,
        owner=odcs.team.name if isinstance(odcs.team, Team) else None,
        path=str(place.path),
    )


def _column(column: SchemaProperty, place: Place) -> Column:
    if not column.name:
        raise place.error("needs a name")
    if column.physicalName not in (None, column.name):
        raise place.at("physicalName").error(f"is {column.physicalName}; a column is stored under its name")
    _check_held(column, place)
    properties = _custom(column.customProperties, place, known=_COLUMN_PROPERTIES)
    return Column(
        name=column.name,
        type=declared_type(column, place),
        description=column.description or "",
        is_required=bool(column.required or column.primaryKey),
        key=(column.primaryKeyPosition or 1) if column.primaryKey else 0,
        may_be_absent=_flag("mayBeAbsent", properties.get("mayBeAbsent", False), place=place),
        is_tracked=_flag("tracked", properties.get("tracked", True), place=place),
        sentinels=_sentinels(properties.get("sentinels", []), place),
        classification=column.classification,
        former_names=_names("formerNames", properties.get("formerNames", []), place),
    )


def _check_held(given: BaseModel, place: Place) -> None:
    for field, hint in _NOT_HELD.items():
        if getattr(given, field, None):
            raise place.at(field).error("is not held", hint=hint)


def _check_columns(contract: Contract, place: Place) -> None:
    taken = {name.lower() for name in contract.platform_columns}
    for column in contract.columns:
        if column.name.lower() in taken:
            raise place.at(f"properties.{column.name}").error(
                "is there twice, or is a column that lakelib adds itself",
                hint=f"Names that differ only in case are one column. Added: {', '.join(contract.platform_columns)}.",
            )
        taken.add(column.name.lower())
        if contract.key and contract.name.layer != "bronze" and {".", "`"}.intersection(column.name):
            raise place.at(f"properties.{column.name}").error(
                "has a dot or a backtick in its name, which means something else in SQL and in Spark",
                hint=f"Rename it where the table is made: "
                f'df.withColumnRenamed("{column.name}", "{re.sub("[.`]+", "_", column.name).lower()}").',
            )
        if column.may_be_absent and contract.name.layer != "bronze":
            raise place.at(f"properties.{column.name}.customProperties.mayBeAbsent").error("is for bronze alone")
    for column in contract.columns:
        if found := taken.intersection(name.lower() for name in column.former_names):
            raise place.at(f"properties.{column.name}.customProperties.formerNames").error(
                f"names {', '.join(found)}, which is a column of the contract"
            )
        taken.update(name.lower() for name in column.former_names)
    _check_named("newestBy", contract.newest_by, [*contract.column_names, *_AGES], place)
    _check_named("snapshotKey", contract.snapshot_key, contract.column_names, place)
    if contract.snapshot_key and contract.name.layer != "bronze":
        raise place.at("customProperties.snapshotKey").error("is for bronze alone")


def _check_named(told: str, names: Sequence[str], known: Sequence[str], place: Place) -> None:
    for name in names:
        if name not in known:
            raise place.at(f"customProperties.{told}").error(
                f"names {name}, which is no column of the contract", hint=f"Columns are {', '.join(known)}."
            )


def _check_bronze(contract: Contract, place: Place) -> None:
    for rule in contract.rules:
        raise place.at(f"properties.{rule.column}" if rule.column else "quality").error(
            f"promises {rule.code}; bronze is an exact copy of what was delivered and rejects no row",
            hint="Put it in the contract of the silver table. `required` and `primaryKey` are rules as well.",
        )


def _custom(properties: list[CustomProperty] | None, place: Place, *, known: Sequence[str]) -> dict[str, Any]:
    given = {each.property or "": each.value for each in properties or ()}
    return dict(place.at("customProperties").known(given, known))


def _percent(name: str, value: Any, *, place: Place) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:  # noqa: PLR2004
        raise place.at(f"customProperties.{name}").error(f"is {value!r}, not a number from 0 to 100")
    return float(value)


def _evolution(value: Any, place: Place, *, name: TableName) -> Literal["evolve", "refuse"]:
    if value not in (None, "evolve", "refuse"):
        raise place.at("customProperties.evolution").error(f"is {value!r}, neither evolve nor refuse")
    usual: Literal["evolve", "refuse"] = "evolve" if name.layer == "bronze" else "refuse"
    return value or usual


def _sentinels(values: Any, place: Place) -> tuple[Any, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str | int | float | None) for value in values):
        raise place.at("customProperties.sentinels").error(f"is {values!r}, no list of numbers, texts or null")
    return tuple(values)


def _names(told: str, value: Any, place: Place) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise place.at(f"customProperties.{told}").error(f"is {value!r}, neither a column nor a list of them")
    return tuple(names)


def _flag(name: str, value: Any, *, place: Place) -> bool:
    if not isinstance(value, bool):
        raise place.at(f"customProperties.{name}").error(f"is {value!r}, neither true nor false")
    return value


def _unknown_fields(data: Any, model: type[BaseModel], at: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each with the fields that its place has. The published models ignore what they don't know; a misspelt
    `requried` must not pass as no promise at all."""
    fields = _fields(model)
    for key, value in data.items():
        place = f"{at}.{key}" if at else str(key)
        if key not in fields:
            yield place, list(fields)
            continue
        inner = fields[key]
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            if inner is not None and isinstance(item, Mapping):
                yield from _unknown_fields(item, inner, f"{place}.{number}" if isinstance(value, list) else place)


@cache
def _fields(model: type[BaseModel]) -> Mapping[str, type[BaseModel] | None]:
    """By the names that a file has for them, with the model of what they hold, where that is one."""
    return {field.alias or name: _model_in(field.annotation) for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for each in get_args(annotation) if (model := _model_in(each))), None)
