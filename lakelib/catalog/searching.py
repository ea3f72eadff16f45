"""Words to tables and columns: names, descriptions, owners, domains and classifications of contracts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakelib.catalog.lake import Lake

__all__ = ["Hit", "search"]


@dataclass(frozen=True)
class Hit:
    """A table or a column that has all the words; `text` is what it says of itself."""

    name: str
    owner: str
    text: str


def search(lake: Lake, words: Sequence[str]) -> list[Hit]:
    """All that hold every word, in any case; those whose name holds one come first."""
    asked = [word.lower() for word in words]
    found = [hit for hit, text in _entries(lake) if all(word in text.lower() for word in asked)]
    return sorted(
        found, key=lambda hit: (not any(word in hit.name.lower() for word in asked), hit.name.count("."), hit.name)
    )


def _entries(lake: Lake) -> Iterator[tuple[Hit, str]]:
    for table, contract in lake.contracts.items():
        owner, about = contract.owner or "", f"{contract.title}. {contract.description}".strip()
        labels = " ".join(filter(None, (owner, contract.domain, contract.name.layer)))
        yield Hit(table, owner, about), f"{table} {about} {labels}"
        for column in contract.columns:
            told = " ".join(filter(None, (column.description, column.type, column.classification)))
            yield Hit(f"{table}.{column.name}", owner, column.description), f"{table}.{column.name} {told}"
