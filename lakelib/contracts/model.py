"""What a contract says, as plain values."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lakelib.names import TableName

__all__ = ["BRONZE_COLUMNS", "Column", "Contract", "Level", "Rule"]

Level = Literal["error", "warning"]
Check = Literal["required", "pattern", "values", "minimum", "maximum", "shortest", "longest", "condition"]

BRONZE_COLUMNS: Final = {
    "_corrupt_record": "string",
    "_source_file": "string",
    "_source_row": "bigint",
    "_source_sha256": "string",
    "_delivered_on": "date",
    "_ingested_at": "timestamp",
}


@dataclass(frozen=True)
class Column:
    """`type` is Spark's DDL (int, decimal(10,2), timestamp, array<string>); `key` its place in the key from 1, or 0.

    `may_be_absent`: a delivery without this column is still accepted (bronze only).
    """

    name: str
    type: str
    description: str = ""
    is_required: bool = False
    key: int = 0
    may_be_absent: bool = False
    classification: str | None = None


@dataclass(frozen=True)
class Rule:
    """A promise about each row. It is broken where its check is false; a null value breaks only `required`.

    `code` names the rule in reports and in quarantine. A broken rule of level `error` sends the row to quarantine, of
    level `warning` it is counted and the row goes on.
    """

    code: str
    check: Check
    argument: Any = None
    column: str | None = None
    level: Level = "error"

    @property
    def title(self) -> str:
        return f"{self.column}: {self.code}" if self.column else self.code


@dataclass(frozen=True)
class Contract:
    """One table's contract.

    `newest_by`: of two rows with one key, the one with the greater values here is the newer.
    `row_count`: the fewest and most rows a batch may have. `most_rejected_percent`: more rejected rows stop the batch.
    `most_gone_percent`: an overwrite that would delete more of the table's keys than this is held.
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
        return tracked | {"_run_id": "string", "_updated_at": "timestamp"}
