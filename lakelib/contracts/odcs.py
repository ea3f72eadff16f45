"""Contract files: Open Data Contract Standard 3.1 (https://bitol-io.github.io/open-data-contract-standard/v3.1.0/).

Beside the standard's own fields lakelib reads these custom properties. Of the table: `newestBy` (a column or a list),
`mostRejectedPercent`, `mostGonePercent`. Of a column: `mayBeAbsent`. A quality rule of type `custom` with engine
`lakelib` holds a row condition in SQL as its `implementation`.
"""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from open_data_contract_standard.model import (
    CustomProperty,
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    Team,
)
from pydantic import BaseModel, ValidationError

from lakelib.contracts.model import Column, Contract, Level, Rule
from lakelib.errors import ContractError
from lakelib.names import TableName

__all__ = ["load_contract"]


def load_contract(name: TableName, folder: Path) -> Contract:
    """The contract of table `name` from `<folder>/<layer>/<table>.yml`.

    Raises:
        ContractError: no such file, not YAML, a field that ODCS does not know, or what lakelib can't hold.
    """
    path = folder / name.layer / f"{name.table}.yml"
    if not path.is_file():
        known = ", ".join(sorted(f"{p.parent.name}.{p.stem}" for p in folder.glob("*/*.yml"))) or "none"
        raise ContractError(
            f"The contract of {name} was looked for at {path}, and there is none.",
            hint=f"Write it, or check the name. Tables with a contract: {known}.",
        )
    return _Reader(name, path).contract()


class _Reader:
    """One contract file; every error it raises names the file and the field."""

    def __init__(self, name: TableName, path: Path) -> None:
        self.name = name
        self.path = path

    def contract(self) -> Contract:
        odcs = self._odcs()
        table = self._table(odcs)
        properties = _custom(table.customProperties)
        newest_by = properties.get("newestBy") or ()
        return Contract(
            name=self.name,
            version=odcs.version or "",
            title=odcs.name or str(self.name),
            description=table.description or "",
            columns=tuple(self._column(each) for each in table.properties or ()),
            rules=tuple(self._rules(table)),
            newest_by=(newest_by,) if isinstance(newest_by, str) else tuple(newest_by),
            row_count=self._row_count(table),
            most_rejected_percent=float(properties.get("mostRejectedPercent", 100)),
            most_gone_percent=float(properties.get("mostGonePercent", 50)),
            domain=odcs.domain,
            owner=odcs.team.name if isinstance(odcs.team, Team) else None,
            path=str(self.path),
        )

    def _odcs(self) -> OpenDataContractStandard:
        try:
            text = yaml.safe_load(self.path.read_text(encoding="utf-8"))
            if not isinstance(text, Mapping):
                raise self._error("the file", "does not hold a mapping")
            odcs = OpenDataContractStandard(**text)
        except yaml.YAMLError as error:
            raise self._error("the file", f"is not YAML: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise self._error(".".join(map(str, first["loc"])), first["msg"]) from error
        for field in _unknown_fields(text, OpenDataContractStandard):
            raise self._error(field, "is not a field of ODCS 3.1")
        return odcs

    def _table(self, odcs: OpenDataContractStandard) -> SchemaObject:
        if len(odcs.schema_ or ()) != 1:
            raise self._error("schema", f"holds {len(odcs.schema_ or ())} tables; a contract describes one")
        table = (odcs.schema_ or [])[0]
        if table.physicalName not in (None, str(self.name)):
            raise self._error(
                "schema.0.physicalName", f"is {table.physicalName}; by its place the table is {self.name}"
            )
        return table

    def _column(self, column: SchemaProperty) -> Column:
        if not column.name or not column.physicalType:
            raise self._error(f"column {column.name or '?'}", "needs a name and a physicalType")
        return Column(
            name=column.name,
            type=column.physicalType.lower(),
            description=column.description or "",
            is_required=bool(column.required or column.primaryKey),
            key=(column.primaryKeyPosition or 1) if column.primaryKey else 0,
            may_be_absent=bool(_custom(column.customProperties).get("mayBeAbsent", False)),
            classification=column.classification,
        )

    def _rules(self, table: SchemaObject) -> Iterator[Rule]:
        for column in table.properties or ():
            yield from _column_rules(column)
            for quality in column.quality or ():
                yield self._quality_rule(quality, column.name)
        for quality in table.quality or ():
            if quality.metric != "rowCount":
                yield self._quality_rule(quality, None)

    def _quality_rule(self, quality: DataQuality, column: str | None) -> Rule:
        level: Level = "warning" if quality.severity == "warning" else "error"
        arguments = quality.arguments or {}
        if quality.metric == "invalidValues" and "validValues" in arguments:
            return Rule(quality.name or "not_allowed", "values", tuple(arguments["validValues"]), column, level)
        if quality.metric == "invalidValues" and "pattern" in arguments:
            return Rule(quality.name or f"{column}_format", "pattern", arguments["pattern"], column, level)
        if quality.metric in ("nullValues", "missingValues"):
            return Rule(quality.name or "required", "required", None, column, level)
        if quality.type == "custom" and quality.engine == "lakelib" and isinstance(quality.implementation, str):
            return Rule(quality.name or "condition", "condition", quality.implementation, column, level)
        raise self._error(
            f"quality {quality.name or quality.metric or quality.rule or quality.type} of {column or 'the table'}",
            "is not a rule lakelib can check (invalidValues, nullValues, missingValues, rowCount, custom of lakelib)",
        )

    def _row_count(self, table: SchemaObject) -> tuple[int | None, int | None]:
        for quality in table.quality or ():
            if quality.metric == "rowCount":
                least, most = quality.mustBeBetween or (quality.mustBeGreaterOrEqualTo, quality.mustBeLessOrEqualTo)
                return None if least is None else int(least), None if most is None else int(most)
        return None, None

    def _error(self, field: str, found: str) -> ContractError:
        return ContractError(
            f"Contract {self.path}: {field} {found}.", hint="docs/contracts.md lists what a contract can say."
        )


def _column_rules(column: SchemaProperty) -> Iterator[Rule]:
    name, options = column.name, column.logicalTypeOptions or {}
    if column.required or column.primaryKey:
        yield Rule("required", "required", None, name)
    if "maxLength" in options:
        yield Rule("value_too_long", "longest", options["maxLength"], name)
    if "minLength" in options:
        yield Rule("value_too_short", "shortest", options["minLength"], name)
    if "pattern" in options:
        yield Rule(f"{name}_format", "pattern", options["pattern"], name)
    if "minimum" in options:
        yield Rule("below_minimum", "minimum", options["minimum"], name)
    if "maximum" in options:
        yield Rule("above_maximum", "maximum", options["maximum"], name)


def _custom(properties: list[CustomProperty] | None) -> dict[str, Any]:
    return {each.property: each.value for each in properties or () if each.property}


def _unknown_fields(data: Any, model: type[BaseModel], at: str = "") -> Iterator[str]:
    """The published models ignore what they don't know; a misspelt `requried` must not pass as no promise at all."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for key, value in data.items():
        place = f"{at}.{key}" if at else str(key)
        if key not in fields:
            yield place
            continue
        inner = _model_in(fields[key])
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            if inner is not None and isinstance(item, Mapping):
                yield from _unknown_fields(item, inner, f"{place}.{number}" if isinstance(value, list) else place)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for each in get_args(annotation) if (model := _model_in(each))), None)
