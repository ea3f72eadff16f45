"""SQL text as its parser's tree."""

import re
from collections.abc import Mapping
from typing import Final

from sqlglot import exp, parse_one

__all__ = ["DIALECT", "named_tables", "read_text", "view_in"]

DIALECT: Final = "databricks"
_TABLE: Final = re.compile(r"^\s*TABLE\s+([\w.`]+)\s*;?\s*$", re.IGNORECASE)
_DROP: Final = re.compile(r"\|>\s*DROP\s+((?:`[^`]+`|\w+)(?:\s*,\s*(?:`[^`]+`|\w+))*)", re.IGNORECASE)
_WINDOW: Final = re.compile(r"\bwindow\s*\(", re.IGNORECASE)  # by time, unlike WINDOW name AS (
_NAMED: Final = re.compile(  # a name with a bracket after it is a function's
    r"\b(?:(?:FROM|JOIN|TABLE)\s+|TABLE\s*\(\s*)([\w.`]+)(?![\w.`]|\s*\()", re.IGNORECASE
)
_VIEW: Final = re.compile(
    r"^\s*(?:(?:CREATE|ALTER)\b[^(]*?\bVIEW|CACHE\s+(?:LAZY\s+)?TABLE)\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.`]+).*?\bAS\b(.*)",
    re.IGNORECASE | re.DOTALL,
)


def read_text(text: str) -> exp.Expr:
    """What Spark reads and the parser does not is said in other words.

    Raises:
        SqlglotError: the parser does not read it.
    """
    words = _DROP.sub(r"|> SELECT * EXCEPT (\1)", _TABLE.sub(r"SELECT * FROM \1", text))
    tree = parse_one(_WINDOW.sub("`window`(", words), dialect=DIALECT)
    for window in list(tree.find_all(exp.Window)):
        select = window.find_ancestor(exp.Select)
        if select is not None and window.arg_key != "windows":
            _spell_out(window, {each.name.lower(): each for each in select.args.get("windows") or ()})
    for each in list(tree.find_all(exp.Anonymous)):
        if each.name.upper() == "TABLE" and isinstance(each.expressions[0], exp.Column):
            each.set("expressions", [exp.to_table(each.expressions[0].sql(DIALECT), dialect=DIALECT)])
    return tree


def _spell_out(window: exp.Expr, named: Mapping[str, exp.Expr]) -> None:
    """Writes into a window what the one that it names says."""
    name = window.args.get("alias")
    definition = named.get(name.name.lower()) if name is not None else None
    if definition is None:
        return
    window.set("alias", None)
    _spell_out(definition, named)
    for part in ("partition_by", "order"):
        if not window.args.get(part) and definition.args.get(part):
            told = definition.args[part]
            window.set(part, [each.copy() for each in told] if isinstance(told, list) else told.copy())


def named_tables(text: str) -> list[str]:
    """Of a text that the parser does not read, what stands where a table would."""
    return list(dict.fromkeys(found[1] for found in _NAMED.finditer(text)))


def view_in(text: str) -> tuple[str, str]:
    """Of a text that makes a view and that the parser does not read: the view's name and its query."""
    found = _VIEW.search(text)
    return (found[1].replace("`", "").rpartition(".")[2], found[2].strip()) if found else ("", "")
