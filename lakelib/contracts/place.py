"""Where something stands in a contract file, so that every error names file and field."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lakelib.errors import ContractError

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """A field of the contract file at `path`, such as schema.0.properties.weight_kg.unique."""

    path: Path
    field: str = ""

    def at(self, field: str) -> "Place":
        return replace(self, field=f"{self.field}.{field}" if self.field else field)

    def error(self, found: str, *, hint: str = "docs/contracts.md lists what a contract can say.") -> ContractError:
        return ContractError(f"Contract {self.path}: {self.field or 'the file'} {found}.", hint=hint)

    def known(self, given: Mapping[str, Any], names: Collection[str]) -> Iterator[tuple[str, Any]]:
        """The items of `given`.

        Raises:
            ContractError: a name that is none of `names`; the hint has the closest of them.
        """
        for name, value in given.items():
            if name not in names:
                closest = get_close_matches(str(name), names, n=1, cutoff=0)[0]
                raise self.at(str(name)).error(
                    "is nothing lakelib holds", hint=f"Did you mean {closest}? Known here: {', '.join(names)}."
                )
            yield name, value
