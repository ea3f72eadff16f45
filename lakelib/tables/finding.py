"""Which tables there are, and what to say of one that is not."""

from lakelib import context
from lakelib.errors import TableNotFoundError, closest
from lakelib.names import TableName, tables_of

__all__ = ["find_tables", "not_found"]


def find_tables() -> list[TableName]:
    """Every table of the run's warehouse, as `names.tables_of` tells them."""
    return tables_of(context.current().settings.warehouse)


def not_found(name: str) -> TableNotFoundError:
    """The error for a name that no table has, with what would make the table or what it may be called."""
    return TableNotFoundError(f"Table {name} was asked for; there is none of that name.", hint=_hint(name))


def _hint(name: str) -> str:
    tables = find_tables()
    if of := next((table for table in tables if str(table.quarantine) == name), None):
        return f"No row of {of} was rejected yet; the first one makes its quarantine."
    notebook = context.current().settings.project / "notebooks" / f"{name.replace('.', '/', 1)}.ipynb"
    if notebook.is_file():
        return f"Its notebook has not written it yet: lake run {name} --with-upstream."
    return closest(name, [str(table) for table in tables])
