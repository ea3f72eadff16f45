"""Whether metadata is what DataHub's own classes say, more strictly than DataHub checks it.

DataHub's check of a metadata file lets unknown aspects, unknown fields and malformed URNs pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from avro.errors import AvroException
from datahub.emitter.serialization_helper import post_json_transform, pre_json_transform
from datahub.metadata.schema_classes import ASPECT_NAME_MAP
from datahub.metadata.urns import Urn
from datahub.utilities.urns.error import InvalidUrnError
from datahub.utilities.urns.urn import guess_entity_type

__all__ = ["faults"]


def faults(proposal: Mapping[str, Any]) -> list[str]:
    """What is wrong with a proposal in JSON: each aspect is read back as its class, every URN is parsed, and no field
    may be lost by that."""
    return [f"{proposal.get('entityUrn')} {proposal.get('aspectName')}: {found}" for found in _found(proposal)]


def _found(proposal: Mapping[str, Any]) -> Iterator[str]:
    urn, name = str(proposal.get("entityUrn")), proposal.get("aspectName")
    kind = ASPECT_NAME_MAP.get(str(name))
    if kind is None:
        yield "there is no such aspect"
        return
    told = proposal["aspect"]["json"]
    try:
        read = kind.from_obj(post_json_transform(told))
    except (AvroException, ValueError, KeyError, TypeError, AttributeError) as error:
        yield f"can't be read as {kind.__name__}: {error}"
        return
    if read.validate():
        yield from (f"has the unknown field {path}" for path in _lost(told, pre_json_transform(read.to_obj())))
    else:
        yield f"is no valid {kind.__name__}"
    yield from _wrong_urns(urn, told)
    if proposal.get("entityType") != guess_entity_type(urn):
        yield f"is of a {proposal.get('entityType')}, by its URN of a {guess_entity_type(urn)}"


def _lost(told: Any, read: Any, path: str = "") -> Iterator[str]:
    """The fields that are not there any more after reading."""
    if isinstance(told, Mapping):
        for key, value in told.items():
            if not isinstance(read, Mapping) or (key not in read and value is not None):
                yield f"{path}.{key}".lstrip(".")
            elif key in read:
                yield from _lost(value, read[key], f"{path}.{key}")
    elif isinstance(told, Sequence) and not isinstance(told, str) and isinstance(read, Sequence):
        for number, (value, kept) in enumerate(zip(told, read, strict=False)):
            yield from _lost(value, kept, f"{path}.{number}")


def _wrong_urns(urn: str, told: Any) -> Iterator[str]:
    for each in (urn, *_urns(told)):
        try:
            Urn.from_string(each)
        except (InvalidUrnError, ValueError, AssertionError) as error:
            yield f"names {each}, which is no URN: {error}"


def _urns(told: Any) -> Iterator[str]:
    if isinstance(told, str):
        if told.startswith("urn:"):
            yield told
    elif isinstance(told, Mapping):
        for value in told.values():
            yield from _urns(value)
    elif isinstance(told, Sequence):
        for value in told:
            yield from _urns(value)
