"""A contract as DataHub's metadata of its table, and what that refers to."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final

from datahub.emitter.mcp import MetadataChangeProposalWrapper as Proposal
from datahub.metadata import schema_classes as models

from lakelib.catalog.fields import schema_fields, text_field
from lakelib.catalog.urns import PLATFORM, Urns
from lakelib.contracts import Contract, Query, Rule

__all__ = ["ACTOR", "of_contract", "of_gone_table", "of_source", "proposals", "rule_titles"]

ACTOR: Final = "urn:li:corpuser:lakelib"
_PROPERTIES: Final = {
    "freshness": "how old the table's newest rows may be",
    "criticality": "how much depends on the table",
    "sla": "what else the contract promises of the table as a whole",
    "contract_version": "the version of the data contract that the table is written under",
}


def proposals(urn: str, *aspects: Any) -> list[Proposal]:
    return [Proposal(entityUrn=urn, aspect=aspect) for aspect in aspects]


def of_contract(contract: Contract, urns: Urns, *, classified: Mapping[str, Sequence[str]]) -> list[Proposal]:
    """The table with its schema, keys, owner, domain, tags, terms, promises; and the entities that these name.

    `classified` has the classifications of its columns, declared or inherited.
    """
    table = str(contract.name)
    return [
        *_containers(contract.name.layer, urns),
        *_named_entities(contract, urns),
        *(each for told in sorted({t for found in classified.values() for t in found}) for each in _term(told, urns)),
        *proposals(
            urns.dataset(table),
            models.StatusClass(removed=False),
            models.DatasetPropertiesClass(
                name=contract.name.table,
                qualifiedName=table,
                description=contract.description or contract.title,
                customProperties={
                    "title": contract.title,
                    "contract": str(contract.name.contract_file(PurePath("contracts"))),
                    "contract_version": contract.version,
                },
            ),
            _schema(contract, urns, classified),
            models.SubTypesClass(typeNames=["Table"]),
            models.GlobalTagsClass([models.TagAssociationClass(urns.tag(contract.name.layer))]),
            _properties(contract, urns),
            models.DeprecationClass(deprecated=False, note="", actor=ACTOR),
            models.ContainerClass(urns.container(contract.name.layer)),
            *_belongings(contract, urns),
        ),
        *(each for promise in _promises(contract) for each in _assertion(promise, contract, urns)),
    ]


def _containers(layer: str, urns: Urns) -> Iterator[Proposal]:
    """The lake, and in it the layer."""
    for name, kind, urn in (
        (urns.settings.flow, "Lake", urns.container()),
        (layer, "Layer", urns.container(layer)),
    ):
        yield from proposals(
            urn,
            models.ContainerPropertiesClass(name=name, env=urns.settings.environment),
            models.DataPlatformInstanceClass(platform=f"urn:li:dataPlatform:{PLATFORM}"),
            models.SubTypesClass(typeNames=[kind]),
            models.StatusClass(removed=False),
        )
    yield from proposals(urns.container(layer), models.ContainerClass(urns.container()))


def of_gone_table(table: str, urns: Urns, *, at: datetime) -> list[Proposal]:
    """A table whose contract is there no more."""
    told = models.DeprecationClass(
        deprecated=True,
        note="The project has no contract of this table any more.",
        actor=ACTOR,
        decommissionTime=_ms(at),
    )
    return proposals(urns.dataset(table), told)


def of_source(name: str, columns: Sequence[str], *, urns: Urns) -> list[Proposal]:
    """What deliveries come from: its columns as a contract of bronze names them, as text."""
    return proposals(
        urns.dataset(name),
        models.StatusClass(removed=False),
        models.DatasetPropertiesClass(name=name, description="Deliveries in the landing folder"),
        models.SchemaMetadataClass(
            schemaName=name,
            platform="urn:li:dataPlatform:file",
            version=0,
            hash="",
            platformSchema=models.OtherSchemaClass(rawSchema=""),
            fields=[text_field(column) for column in columns],
        ),
    )


def rule_titles(contract: Contract) -> list[str]:
    """What each promise of the contract is called in receipts."""
    return [_title(promise) for promise in _promises(contract)]


def _promises(contract: Contract) -> list[Rule | Query]:
    return [*contract.rules, *contract.queries]


def _title(promise: Rule | Query) -> str:
    return promise.title if isinstance(promise, Rule) else promise.code


def _schema(contract: Contract, urns: Urns, classified: Mapping[str, Sequence[str]]) -> models.SchemaMetadataClass:
    fields = schema_fields(contract, {name: [urns.term(each) for each in told] for name, told in classified.items()})
    digest = hashlib.sha256("\n".join(f"{each.fieldPath} {each.nativeDataType}" for each in fields).encode())
    return models.SchemaMetadataClass(
        schemaName=str(contract.name),
        platform=f"urn:li:dataPlatform:{PLATFORM}",
        version=0,
        hash=digest.hexdigest(),
        platformSchema=models.OtherSchemaClass(rawSchema=""),
        fields=fields,
        primaryKeys=list(contract.key) or None,
        foreignKeys=_foreign_keys(contract, urns) or None,
    )


def _foreign_keys(contract: Contract, urns: Urns) -> list[models.ForeignKeyConstraintClass]:
    table = str(contract.name)
    return [
        models.ForeignKeyConstraintClass(
            name=rule.title,
            foreignDataset=urns.dataset(str(rule.argument.table)),
            foreignFields=[urns.field(str(rule.argument.table), there) for _, there in rule.argument.columns],
            sourceFields=[urns.field(table, own) for own, _ in rule.argument.columns],
        )
        for rule in contract.rules
        if rule.check == "reference"
    ]


def _belongings(contract: Contract, urns: Urns) -> Iterator[Any]:
    if contract.owner:
        owner = models.OwnerClass(urns.owner(contract.owner), models.OwnershipTypeClass.TECHNICAL_OWNER)
        yield models.OwnershipClass(owners=[owner])
    if contract.domain:
        yield models.DomainsClass(domains=[urns.domain(contract.domain)])


def _properties(contract: Contract, urns: Urns) -> models.StructuredPropertiesClass:
    levels = {
        level.property: " ".join(map(str, filter(None, (level.value, level.unit)))) for level in contract.service_levels
    }
    told = {
        "freshness": levels.pop("freshness", levels.pop("latency", "")),
        "criticality": levels.pop("criticality", ""),
        "sla": ", ".join(f"{name}: {value}" for name, value in sorted(levels.items())),
        "contract_version": contract.version,
    }
    return models.StructuredPropertiesClass(
        [
            models.StructuredPropertyValueAssignmentClass(urns.property(name), [value])
            for name, value in told.items()
            if value
        ]
    )


def _named_entities(contract: Contract, urns: Urns) -> Iterator[Proposal]:
    yield from proposals(urns.tag(contract.name.layer), models.TagPropertiesClass(name=contract.name.layer))
    for name, meaning in _PROPERTIES.items():
        yield from proposals(
            urns.property(name),
            models.StructuredPropertyDefinitionClass(
                qualifiedName=f"lakelib.{name}",
                displayName=name.replace("_", " "),
                valueType="urn:li:dataType:datahub.string",
                entityTypes=["urn:li:entityType:datahub.dataset"],
                description=meaning,
            ),
        )
    if contract.owner:
        group = models.CorpGroupInfoClass(admins=[], members=[], groups=[], displayName=contract.owner)
        yield from proposals(urns.owner(contract.owner), group)
    if contract.domain:
        yield from proposals(urns.domain(contract.domain), models.DomainPropertiesClass(name=contract.domain))


def _term(classification: str, urns: Urns) -> list[Proposal]:
    told = models.GlossaryTermInfoClass(
        definition=f"Columns that data contracts classify as {classification}, and what is made of them.",
        termSource="INTERNAL",
        name=classification,
    )
    return proposals(urns.term(classification), told)


def _assertion(rule: Rule | Query, contract: Contract, urns: Urns) -> list[Proposal]:
    table, title = str(contract.name), _title(rule)
    column = rule.column if isinstance(rule, Rule) else None
    told = models.CustomAssertionInfoClass(
        type=rule.check if isinstance(rule, Rule) else "query",
        entity=urns.dataset(table),
        field=urns.field(table, column) if column else None,
        logic=str(rule.argument) if isinstance(rule, Rule) else f"{rule.sql} {rule.comparison}",
    )
    level = rule.level if isinstance(rule, Rule) else "error"
    return proposals(
        urns.assertion(table, title),
        models.AssertionInfoClass(
            type=models.AssertionTypeClass.CUSTOM,
            customAssertion=told,
            description=title,
            customProperties={"level": level},
            source=models.AssertionSourceClass(type=models.AssertionSourceTypeClass.EXTERNAL),
        ),
    )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
