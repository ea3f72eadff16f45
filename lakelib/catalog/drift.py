"""Where contracts, tables, lineage and classification disagree."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lakelib.catalog.classification import inherited_classifications
from lakelib.catalog.lake import Lake
from lakelib.contracts import Contract
from lakelib.engine.delta_log import find_table, versions
from lakelib.names import TableName, tables_of

__all__ = ["Drift", "drifts"]

_OWN: Final = ("_manifest",)  # the platform's own table, which no notebook writes


@dataclass(frozen=True)
class Drift:
    """`kind` is a word to filter by, `found` a sentence."""

    table: str
    kind: str
    found: str


def drifts(lake: Lake) -> list[Drift]:
    """Contracts without a table, tables without a contract, other columns, commits without lineage, and columns whose
    contract does not say the classification of what they are made of."""
    tables = _tables(lake)
    return [
        *(
            Drift(name, "no table", "has a contract and was never written")
            for name in lake.contracts
            if name not in tables
        ),
        *(each for name, path in tables.items() for each in _of_table(lake, name, path)),
        *_of_classification(lake),
    ]


def _tables(lake: Lake) -> dict[str, str]:
    warehouse = lake.settings.warehouse
    return {str(name): name.path(warehouse) for name in tables_of(warehouse) if name.layer != "quarantine"}


def _of_table(lake: Lake, name: str, path: str) -> Iterator[Drift]:
    if TableName.parse(name).table in _OWN:
        return
    contract = lake.contracts.get(name)
    if contract is None:
        yield Drift(name, "no contract", "is in the warehouse and has no contract")
    else:
        yield from _of_columns(contract, path)
    yield from _of_commits(lake, name, path)


def _of_columns(contract: Contract, path: str) -> Iterator[Drift]:
    table = find_table(path)
    held = {field.name for field in table.schema().fields} if table is not None else set()
    promised = {*contract.column_names, *contract.platform_columns}
    for name in sorted(promised - held):
        yield Drift(str(contract.name), "column", f"lacks {name}, which its contract promises")
    for name in sorted(held - promised):
        yield Drift(str(contract.name), "column", f"has {name}, which its contract does not know")


def _of_commits(lake: Lake, name: str, path: str) -> Iterator[Drift]:
    for version in versions(path):
        run = str(version.made_by.get("run_id", ""))
        if run == "":
            yield Drift(
                name, "commit without lineage", f"version {version.version} ({version.operation}) was made past lakelib"
            )
        elif run not in lake.receipts:
            yield Drift(
                name,
                "commit without lineage",
                f"version {version.version} was made by {run}, of which there is no receipt",
            )


def _of_classification(lake: Lake) -> Iterator[Drift]:
    for each in inherited_classifications(lake):
        if each.declared is None:
            table, _, column = each.column.rpartition(".")
            yield Drift(table, "classification", f"{column} is made of {each.origin}, which is {each.classification}")
