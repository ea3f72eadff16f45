"""Names: of tables and where they live in the warehouse, and of who is at work."""

import getpass
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Self, TypeVar

from lakelib.errors import TableNameError

if TYPE_CHECKING:
    from upath import UPath

__all__ = ["LAYERS", "TableName", "tables_of", "user_name"]

_Folder = TypeVar("_Folder", bound=PurePath)
LAYERS: Final = ("bronze", "silver", "gold")
_PATTERN: Final = re.compile(r"(bronze|silver|gold|quarantine)\.(_?[a-z][a-z0-9_]*)")


@dataclass(frozen=True, order=True)
class TableName:
    """`layer.table` in lower case, such as silver.flights; quarantine.silver__flights holds its rejected rows."""

    layer: str
    table: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises TableNameError when `text` is not `layer.table`."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise TableNameError(
                f"A table was asked for as {text!r}; a table's name is layer.table.",
                hint=f"Layers are {', '.join(LAYERS)}; an example is silver.flights.",
            )
        return cls(*match.groups())

    @property
    def quarantine(self) -> "TableName":
        return TableName("quarantine", f"{self.layer}__{self.table}")

    def path(self, warehouse: "UPath") -> str:
        """The table's Delta folder, as an absolute path or a URI."""
        return str(warehouse / self.layer / self.table)

    def contract_file(self, contracts: _Folder) -> _Folder:
        """Where the table's contract is, below a project's folder of contracts."""
        return contracts / self.layer / f"{self.table}.yml"

    def __str__(self) -> str:
        return f"{self.layer}.{self.table}"


def tables_of(warehouse: "UPath") -> list[TableName]:
    """Every table of the warehouse, quarantine and the platform's own included, in order."""
    folders = (log.parent for log in warehouse.glob("*/*/_delta_log"))
    names = (TableName(folder.parent.name, folder.name) for folder in folders)
    return sorted(name for name in names if not name.layer.startswith("_"))


def user_name() -> str:
    """Of this process's user; a container may run as one that has none."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "unknown"
