"""What is wrong with a query, said shortly and alike whichever engine found out."""

import re
from typing import Final

from lakelib import context
from lakelib.engine.limits import missing_on_embedded
from lakelib.engine.losses import is_lost, lost_engine
from lakelib.errors import QueryError, closest
from lakelib.tables.finding import find_tables, not_found

__all__ = ["WRAPPER", "check_query", "query_error"]

# Only a query can stand where a table stands.
WRAPPER: Final = ("SELECT * FROM (\n", "\n) LIMIT 0")
_HINT: Final = (
    "Write one SELECT, which only reads; tables are layer.table, and `lake catalog search` finds tables and columns."
)
_QUERIES: Final = ("SELECT", "WITH", "VALUES", "FROM", "TABLE", "(")
_NOT_CODE: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)
_NO_TEXT: Final = re.compile(r"[\ud800-\udfff]")  # what bytes that are no text are read as
_BY_PATH: Final = re.compile(r"\b(delta|parquet|csv|json|text|orc|avro|xml|binaryfile|iceberg)\s*\.\s*`", re.IGNORECASE)
# What each engine says: Sail first, then Spark.
_TABLE: Final = re.compile(r"Table or view not found: (\S+)|The table or view (\S+) cannot be found")
_COLUMN: Final = re.compile(r"attribute ObjectName\(\[(.+?)\]\) is missing|with name (\S+) cannot be resolved")
_AMBIGUOUS: Final = re.compile(r"ambiguous attribute: ObjectName\(\[(.+?)\]\)|Reference (\S+) is ambiguous")
_FUNCTION: Final = re.compile(r"unknown function: (\w+)|Cannot resolve routine (\S+) ")
_CANCELLED: Final = "StatusCode.CANCELLED"  # by the client, for nobody else cancels
_UNGROUPED: Final = re.compile(r'No field named (?:\w+\.)*"?#\d+"?|MISSING_AGGREGATION|MISSING_GROUP_BY')
_BYTE: Final = re.compile(r"found .+? at (\d+):\d+ expected", re.DOTALL)
_LINE: Final = re.compile(r"\(line (\d+), pos (\d+)\)")


def check_query(sql: str) -> None:
    """Raises QueryError for what is plainly no query of the lake's tables."""
    if found := _NO_TEXT.search(sql):
        raise _error(f"after {sql[: found.start()]!r} it is not UTF-8", hint="Write it in UTF-8.")
    code = _NOT_CODE.sub(" ", sql).strip()
    first = code[:1] if code.startswith("(") else code.split(maxsplit=1)[0] if code else ""
    if first.upper() not in _QUERIES:
        raise _error(f"it begins with {first!r}" if first else "it is empty")
    if found := _BY_PATH.search(code):
        raise _error(
            f"it reads files by their path, {found[1]}.`…`",
            hint=f"Name a table of the lake: {', '.join(map(str, find_tables())) or 'there is none yet'}.",
        )


def query_error(error: Exception, sql: str) -> QueryError:
    """Ours for the engine's error about `sql`, which stood between the two parts of WRAPPER or was answered.

    Raises:
        KeyboardInterrupt: that is what it was.
        EngineLostError: likewise.
    """
    message = str(error).strip()
    if is_lost(message):
        raise lost_engine(said=message) from error
    if _CANCELLED in message:
        raise KeyboardInterrupt from error
    if found := _TABLE.search(message):
        missing = not_found(_as_written(_plain(found[1] or found[2]), sql))
        return _error(missing.message, hint=missing.hint)
    if error_of_column := _column_error(message, sql):
        return error_of_column
    if (offset := _offset(message, sql)) is not None:
        return _syntax_error(sql, offset, hint=_on_spark(message) or _HINT)
    if found := _FUNCTION.search(message):
        return _error(f"there is no function {_plain(found[1] or found[2])}", hint=_on_spark(message) or _HINT)
    reason = re.sub(r"^\[[\w.]+\] |\.? SQLSTATE.*", "", message.partition("\n")[0])
    return _error(reason, hint=_on_spark(message) or _HINT)


def _error(reason: str, *, hint: str = _HINT) -> QueryError:
    return QueryError(f"Not a query that can be answered: {reason}", hint=hint)


def _column_error(message: str, sql: str) -> QueryError | None:
    if _UNGROUPED.search(message):
        return _error("a column stands beside an aggregate and is in no GROUP BY", hint="Add it to GROUP BY.")
    if found := _AMBIGUOUS.search(message):
        column = _column(found)
        return _error(f"several of its tables have a column {column}", hint=f"Say whose it is, as in t.{column}.")
    if not (found := _COLUMN.search(message)):
        return None
    column, known = _column(found), _columns(sql)
    if column in known:
        hint = f"After DISTINCT or GROUP BY only what is selected can: add {column} to SELECT."
        return _error(f"column {column} can't be seen from where it stands", hint=hint)
    return _error(f"no table of it has a column {column}", hint=closest(column, known))


def _syntax_error(sql: str, offset: int, *, hint: str) -> QueryError:
    before, after = sql[:offset], sql[offset:]
    line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1)
    near = repr(after.split(maxsplit=1)[0]) if after.strip() else "the end"
    shown = f"{sql.splitlines()[line - 1]}\n{' ' * column}^"
    return _error(f"line {line}, column {column + 1} is not understood, near {near}:\n{shown}", hint=hint)


def _offset(message: str, sql: str) -> int | None:
    """Where in `sql` the engine stopped understanding; None for an error that says no place."""
    if found := _BYTE.search(message):
        read = (WRAPPER[0] + sql).encode()[: int(found[1])]
        offset = len(read.decode(errors="ignore")) - len(WRAPPER[0])
    elif found := _LINE.search(message):
        lines = sql.splitlines(keepends=True)[: max(int(found[1]) - 2, 0)]
        offset = sum(map(len, lines)) + int(found[2])
    elif "found end of input" in message:
        offset = len(sql)
    else:
        return None
    return min(max(offset, 0), len(sql))


def _column(found: re.Match[str]) -> str:
    """As it is written: Sail says its parts."""
    return ".".join(re.findall(r'Identifier\("(.+?)"\)', found[1] or "")) or _plain(found[2])


def _plain(name: str) -> str:
    return name.replace("`", "")


def _as_written(table: str, sql: str) -> str:
    """The table's whole name in `sql`: Sail says only its last part."""
    found = re.search(rf"(\w+)`?\s*\.\s*`?{re.escape(table)}\b", sql)
    return f"{found[1]}.{table}" if found else table


def _columns(sql: str) -> list[str]:
    """The columns of the tables that `sql` names."""
    session = context.current().engine.session
    named = (str(table) for table in find_tables() if str(table) in sql)
    return list(dict.fromkeys(column for name in named for column in session.table(name).columns))


def _on_spark(message: str) -> str:
    run = context.current()
    missing = missing_on_embedded("", message) if run.engine.name == "embedded" else ""
    return f"The embedded engine has no {missing}; set engine: spark in conf/ where Spark has it." if missing else ""
