"""Columns of a contract as DataHub's schema fields; those inside a struct under its name and a dot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from datahub.metadata import schema_classes as models
from pyspark.sql import types

from lakelib.contracts import Column, Contract, spark_type

__all__ = ["schema_fields", "text_field"]

_ACTOR: Final = "urn:li:corpuser:lakelib"
_KINDS: Final[dict[type[types.DataType], Callable[[], Any]]] = {
    types.StringType: models.StringTypeClass,
    types.BooleanType: models.BooleanTypeClass,
    types.DateType: models.DateTypeClass,
    types.TimestampType: models.TimeTypeClass,
    types.TimestampNTZType: models.TimeTypeClass,
    types.BinaryType: models.BytesTypeClass,
    types.MapType: models.MapTypeClass,
    types.ArrayType: models.ArrayTypeClass,
    types.StructType: models.RecordTypeClass,
}


def schema_fields(contract: Contract, terms: Mapping[str, Sequence[str]]) -> list[models.SchemaFieldClass]:
    """The contract's columns with their descriptions, keys and terms (URNs, by column), then the platform's."""
    promised = [field for column in contract.columns for field in _fields(column, terms.get(column.name, ()))]
    added = [
        _field(name, spark_type(kind), description="added by the platform")
        for name, kind in contract.platform_columns.items()
    ]
    return promised + added


def text_field(name: str) -> models.SchemaFieldClass:
    """A column of a delivery in a format without types."""
    return _field(name, types.StringType())


def _fields(column: Column, terms: Sequence[str]) -> Iterator[models.SchemaFieldClass]:
    kind = spark_type(column.type)
    whole = _field(column.name, kind, description=column.description)
    whole.nullable = not column.is_required
    whole.isPartOfKey = column.key > 0
    if terms:
        named = [models.GlossaryTermAssociationClass(term) for term in terms]
        whole.glossaryTerms = models.GlossaryTermsClass(named, models.AuditStampClass(0, _ACTOR))
    yield whole
    yield from _inside(column.name, kind)


def _inside(path: str, kind: types.DataType) -> Iterator[models.SchemaFieldClass]:
    match kind:
        case types.StructType():
            for each in kind:
                yield _field(f"{path}.{each.name}", each.dataType)
                yield from _inside(f"{path}.{each.name}", each.dataType)
        case types.ArrayType():
            yield from _inside(path, kind.elementType)
        case types.MapType():
            yield from _inside(path, kind.valueType)


def _field(path: str, kind: types.DataType, *, description: str = "") -> models.SchemaFieldClass:
    made = _KINDS.get(type(kind), models.NumberTypeClass)()
    match kind:
        case types.ArrayType():
            made = models.ArrayTypeClass(nestedType=[kind.elementType.simpleString()])
        case types.MapType():
            made = models.MapTypeClass(keyType=kind.keyType.simpleString(), valueType=kind.valueType.simpleString())
    return models.SchemaFieldClass(
        fieldPath=path,
        type=models.SchemaFieldDataTypeClass(made),
        nativeDataType=kind.simpleString(),
        description=description or None,
        nullable=True,
    )
