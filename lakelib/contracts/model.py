"""What a contract says, as plain values."""

import hashlib
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lakelib.names import TableName

__all__ = [
    "BRONZE_COLUMNS",
    "COMPARISONS",
    "HISTORY_COLUMNS",
    "Column",
    "Comparison",
    "Contract",
    "Level",
    "Query",
    "Reference",
    "Rule",
    "ServiceLevel",
]

Level = Literal["error", "warning"]
Check = Literal[
    "required",
    "present",
    "pattern",
    "values",
    "minimum",
    "maximum",
    "shortest",
    "longest",
    "condition",
    "unique",
    "reference",
]

BRONZE_COLUMNS: Final = {
    "_corrupt_record": "string",
    "_source_file": "string",
    "_source_row": "bigint",
    "_source_sha256": "string",
    "_delivered_on": "date",
    "_ingested_at": "timestamp",
}
COMPARISONS: Final[dict[str, Callable[[float, Any], bool]]] = {
    "mustBe": operator.eq,
    "mustNotBe": operator.ne,
    "mustBeGreaterThan": operator.gt,
    "mustBeGreaterOrEqualTo": operator.ge,
    "mustBeLessThan": operator.lt,
    "mustBeLessOrEqualTo": operator.le,
    "mustBeBetween": lambda number, bounds: bounds[0] <= number <= bounds[1],
    "mustNotBeBetween": lambda number, bounds: not bounds[0] <= number <= bounds[1],
}
HISTORY_COLUMNS: Final = {"_valid_from": "date", "_valid_to": "date", "_is_current": "boolean"}


@dataclass(frozen=True)
class Column:
    """`type` is Spark's DDL (int, decimal(10,2), timestamp, array<string>); `key` its place in the key from 1, or 0.

    `may_be_absent`: a delivery without this column is still accepted (bronze only).
    `is_tracked`: in a table that keeps history, another value here makes a version; `sentinels` are values that say
    nothing, so that the one before stands.
    `former_names`: names that the column had; a migration renames them.
    """

    name: str
    type: str
    description: str = ""
    is_required: bool = False
    key: int = 0
    may_be_absent: bool = False
    is_tracked: bool = True
    sentinels: tuple[Any, ...] = ()
    classification: str | None = None
    former_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """The columns of a row name one of the rows of `table`: each own column with the column there, in pairs."""

    table: TableName
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Comparison:
    """What a number must be, in ODCS's words: `mustBeLessThan` 5, of rows or in percent of the batch's rows."""

    name: str
    value: Any
    unit: Literal["rows", "percent"] = "rows"

    def holds(self, number: float) -> bool:
        return COMPARISONS[self.name](number, self.value)

    def holds_for(self, rows: int, *, of: int) -> bool:
        return self.holds(rows if self.unit == "rows" else 100 * rows / max(of, 1))

    def __str__(self) -> str:
        return f"{self.name} {self.value}{' percent' if self.unit == 'percent' else ''}"


@dataclass(frozen=True)
class Rule:
    """A promise about each row. It is broken where its check is false; a null value breaks only `required`.

    `code` names the rule in reports and in quarantine. A broken rule of level `error` sends the row to quarantine, of
    level `warning` it is counted and the row goes on. A number of broken rows that
    does not keep the `limit` stops the batch.

    The argument of `unique` is the columns that no two rows have in common, that of `reference` a `Reference`.
    """

    code: str
    check: Check
    argument: Any = None
    column: str | None = None
    level: Level = "error"
    limit: Comparison | None = None

    @property
    def title(self) -> str:
        return f"{self.column}: {self.code}" if self.column else self.code

    @property
    def flag(self) -> str:
        """The boolean column that tells of each row whether it keeps a rule over several rows, or another table's.

        By what is promised: columns of any names make another one, and the same promise twice the same.
        """
        return f"_keeps_{self.check}_{hashlib.sha256(repr(self.argument).encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Query:
    """A promise about the accepted rows of a batch: `sql` over them, which it calls {object}, answers one number."""

    code: str
    sql: str
    comparison: Comparison


@dataclass(frozen=True)
class ServiceLevel:
    """What is promised of the table as a whole, such as freshness, in the words of ODCS."""

    property: str
    value: Any
    unit: str | None = None
    element: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Contract:
    """One table's contract.

    `newest_by`: of two rows with one key, the one with the greater values here is the newer.
    `row_count`: the fewest and most rows a batch may have. `most_rejected_percent`: more rejected rows stop the batch.
    `most_gone_percent`: an overwrite that would delete more of the table's keys than this is held.
    `snapshot_key`: each delivery of this bronze table is a full snapshot of things told apart by these columns; one
    that lacks more than `most_gone_percent` of those in the snapshot before is held.
    `evolution`: whether a write adds columns that are new in the contract, or is refused until the table is migrated;
    of bronze, whether a delivery with columns that the contract does not know is loaded with them, or refused.
    `keeps_history`: the table holds the versions of each key (type 2), with the days that each was in force.
    """

    name: TableName
    version: str
    title: str
    description: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    newest_by: tuple[str, ...] = ()
    row_count: tuple[int | None, int | None] = (None, None)
    most_rejected_percent: float = 100
    most_gone_percent: float = 50
    snapshot_key: tuple[str, ...] = ()
    keeps_history: bool = False
    evolution: Literal["evolve", "refuse"] = "refuse"
    queries: tuple[Query, ...] = ()
    service_levels: tuple[ServiceLevel, ...] = ()
    domain: str | None = None
    owner: str | None = None
    path: str = field(default="", compare=False)

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def key(self) -> list[str]:
        return [column.name for column in sorted(self.columns, key=lambda column: column.key) if column.key]

    @property
    def platform_columns(self) -> dict[str, str]:
        """The columns that lakelib adds when it writes, with their types."""
        if self.name.layer == "bronze":
            return BRONZE_COLUMNS | {"_run_id": "string"}
        tracked = {name: kind for name, kind in BRONZE_COLUMNS.items() if name in self.newest_by}
        history = HISTORY_COLUMNS if self.keeps_history else {}
        return tracked | history | {"_run_id": "string", "_updated_at": "timestamp"}
