"""Contracts as Markdown pages: one a table, and an index of all."""

from collections.abc import Iterable, Iterator, Sequence

from lakelib.contracts.model import Column, Contract, Rule

__all__ = ["contract_page", "index_page"]


def contract_page(contract: Contract, *, reads: Sequence[str] = (), read_by: Sequence[str] = ()) -> str:
    """What the table is, who answers for it, its columns and rules, and its neighbours in the lineage."""
    lines = [f"# {contract.name}", "", f"**{_text(contract.title)}**. {_text(contract.description)}".rstrip(), ""]
    lines += _table(("", ""), _facts(contract, reads, read_by))
    lines += ["", "## Columns", "", *_table(("column", "type", "", "description"), map(_column, contract.columns))]
    added = ", ".join(f"`{name}` {kind}" for name, kind in contract.platform_columns.items())
    lines += ["", f"Added by lakelib: {added}.", ""]
    if rules := [*map(_rule, contract.rules), *_batch_rules(contract)]:
        lines += ["## Rules", "", *_table(("rule", "of", "promises", "when broken"), rules), ""]
    return "\n".join(lines)


def index_page(contracts: Iterable[Contract]) -> str:
    """A line a table, with a link to its page beside this one."""
    rows = ((f"[{each.name}]({each.name}.md)", each.title, each.owner or "", each.version) for each in contracts)
    return "\n".join(["# Tables", "", *_table(("table", "title", "owner", "version"), rows), ""])


def _facts(contract: Contract, reads: Sequence[str], read_by: Sequence[str]) -> Iterator[tuple[str, str]]:
    facts = {
        "version": contract.version,
        "domain": contract.domain,
        "owner": contract.owner,
        "key": ", ".join(contract.key),
        "newest by": ", ".join(contract.newest_by),
        "made from": ", ".join(map(_link, reads)),
        "read by": ", ".join(map(_link, read_by)),
    }
    for level in contract.service_levels:
        facts[level.property] = f"{level.value} {level.unit or ''}".strip()
    return ((name, value) for name, value in facts.items() if value)


def _column(column: Column) -> tuple[str, ...]:
    marks = [
        "key" if column.key else "",
        "required" if column.is_required and not column.key else "",
        f"was {', '.join(column.former_names)}" if column.former_names else "",
        column.classification or "",
    ]
    return f"`{column.name}`", column.type, ", ".join(filter(None, marks)), column.description


def _rule(rule: Rule) -> tuple[str, ...]:
    return rule.code, rule.column or "row", _promise(rule), "quarantine" if rule.level == "error" else "a warning"


def _promise(rule: Rule) -> str:
    match rule.check:
        case "required":
            return "a value"
        case "unique":
            return f"unique: {', '.join(rule.argument)}"
        case "reference":
            return ", ".join(f"{own} is one of {rule.argument.table}.{theirs}" for own, theirs in rule.argument.columns)
        case "values" | "present":
            values = ", ".join(map(str, rule.argument))
            return f"one of {values}" if rule.check == "values" else f"none of {values}"
    limit = f"; {rule.limit}" if rule.limit else ""
    return f"{rule.check} `{rule.argument}`{limit}"


def _batch_rules(contract: Contract) -> Iterator[tuple[str, ...]]:
    fewest, most = contract.row_count
    if (fewest, most) != (None, None):
        yield "row_count", "batch", f"{fewest or 0} to {'any number' if most is None else most} rows", "no publication"
    for query in contract.queries:
        yield query.code, "batch", f"`{query.sql}` {query.comparison}", "no publication"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [f"| {' | '.join(_text(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body]


def _link(table: str) -> str:
    return f"[{table}]({table}.md)"


def _text(text: str) -> str:
    return " ".join(text.split())
