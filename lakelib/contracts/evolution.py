"""What changes from one contract to the next, or from a table to its contract, and whom each change breaks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lakelib.contracts.model import Column, Contract, Rule
from lakelib.contracts.types import canonical, is_wider

__all__ = ["Change", "column_changes", "contract_changes", "is_major_bump", "key_changes", "sources"]

_WHY: Final = {
    "added": "readers that name their columns do not see it",
    "dropped": "a reader of the column fails",
    "renamed": "a reader of the former name fails",
    "widened": "every value stays what it is",
    "narrowed": "values that were allowed do not fit any more",
    "retyped": "a reader gets values of another type",
}
_BREAKING: Final = ("dropped", "renamed", "narrowed", "retyped")


@dataclass(frozen=True)
class Change:
    """One difference. `kind` is a word for programs (added, dropped, …), `says` the difference for people."""

    kind: str
    column: str | None
    says: str
    is_breaking: bool
    why: str

    def __str__(self) -> str:
        return f"{self.column} {self.says}" if self.column else self.says


def sources(held: Mapping[str, str], contract: Contract) -> dict[str, str | None]:
    """For each column of the contract's table the held one that it comes from: itself, or one of its former names."""
    former = {column.name: _former(column, held) for column in contract.columns}
    return former | {name: name if name in held else None for name in contract.platform_columns}


def column_changes(held: Mapping[str, str], contract: Contract) -> list[Change]:
    """From a table's columns, by their types, to those of the contract and the platform. Their order does not count.

    Bronze keeps columns that no contract knows: there none is dropped.
    """
    promised = {column.name: column.type for column in contract.columns} | contract.platform_columns
    found = sources(held, contract)
    changes = [_column_change(name, kind, found[name], held) for name, kind in promised.items()]
    if contract.name.layer != "bronze":
        gone = (name for name in held if name not in found.values())
        changes += [_change("dropped", name, f"({held[name]}) goes") for name in gone]
    return [change for change in changes if change is not None]


def key_changes(before: Sequence[str], contract: Contract) -> list[Change]:
    """From the key before, in which a column may have had a former name."""
    now = {former: column.name for column in contract.columns for former in column.former_names}
    if [now.get(name, name) for name in before] == contract.key:
        return []
    says = f"the key was ({', '.join(before)}) and is ({', '.join(contract.key)})"
    return [Change("key", None, says, is_breaking=True, why="a row is told apart by something else")]


def contract_changes(before: Contract, after: Contract) -> list[Change]:
    """Everything that differs and is a promise or tells something of one: columns, key, rules, and what describes."""
    held = {column.name: column.type for column in before.columns} | before.platform_columns
    return [
        *column_changes(held, after),
        *key_changes(before.key, after),
        *_requirements(before, after),
        *_rules(before, after),
        *_settings(before, after),
    ]


def is_major_bump(before: str, after: str) -> bool:
    """Whether version `after` says that it breaks what `before` promised; without numbers, any other version does."""
    majors = [re.match(r"v?(\d+)", version) for version in (before, after)]
    if all(majors):
        return int(majors[1][1]) > int(majors[0][1])  # type: ignore[index]
    return before != after


def _former(column: Column, held: Mapping[str, str]) -> str | None:
    return next((name for name in (column.name, *column.former_names) if name in held), None)


def _column_change(name: str, kind: str, source: str | None, held: Mapping[str, str]) -> Change | None:
    if source is None:
        return _change("added", name, f"({kind}) comes")
    before = canonical(held[source])
    retyped = "" if before == kind else f", {before} becomes {kind}"
    if source != name:
        return _change("renamed", name, f"was {source}{retyped}")
    if retyped:
        return _change(_retyping(before, kind), name, f"is {before} and becomes {kind}")
    return None


def _retyping(before: str, after: str) -> str:
    if is_wider(after, than=before):
        return "widened"
    return "narrowed" if is_wider(before, than=after) else "retyped"


def _change(kind: str, column: str, says: str) -> Change:
    return Change(kind, column, says, is_breaking=kind in _BREAKING, why=_WHY[kind])


def _requirements(before: Contract, after: Contract) -> Iterator[Change]:
    held = {column.name: column for column in before.columns}
    for column in after.columns:
        was = held.get(column.name)
        if was is None:
            if after.name.layer == "bronze" and not column.may_be_absent:
                yield Change("required", column.name, "has to be delivered", True, "deliveries without it are refused")
        elif was.may_be_absent and not column.may_be_absent:
            yield Change("required", column.name, "has to be delivered", True, "deliveries without it are refused")
        elif was.is_required and not column.is_required:
            yield Change("optional", column.name, "may be null", True, "a reader meets nulls where there were none")


def _rules(before: Contract, after: Contract) -> Iterator[Change]:
    """Of rules: rows that break a new one are rejected from now on, which breaks no reader."""
    for rule in after.rules:
        if rule not in before.rules:
            says = f"{_described(rule)} is promised"
            yield Change("rule_added", rule.column, says, False, "rows that break it are rejected, or counted")
    for rule in before.rules:
        if rule not in after.rules:
            says = f"{_described(rule)} is promised no more"
            yield Change("rule_dropped", rule.column, says, False, "rows that broke it are published")


def _described(rule: Rule) -> str:
    argument = "" if rule.argument is None else f" {rule.argument}"
    return f"{rule.code}{argument}{' (warning)' if rule.level == 'warning' else ''}"


def _settings(before: Contract, after: Contract) -> Iterator[Change]:
    for name in (
        *("newest_by", "row_count", "most_rejected_percent", "most_gone_percent", "queries"),
        *("snapshot_key", "evolution"),
    ):
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            yield Change("setting", None, f"{name} was {was} and is {now}", False, "holds for the next writes")
    for name in ("owner", "domain", "service_levels"):
        if getattr(before, name) != getattr(after, name):
            yield Change("description", None, f"{name} is another", False, "no row changes")
    held = {column.name: column.classification for column in before.columns}
    for column in after.columns:
        if column.name in held and held[column.name] != column.classification:
            says = f"is classified {column.classification}, was {held[column.name]}"
            yield Change("description", column.name, says, False, "no row changes")
