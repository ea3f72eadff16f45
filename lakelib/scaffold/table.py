"""`lake new`: the first notebook and contract of a table, made from the rows that it will hold."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from lakelib import context
from lakelib.contracts import Contract, load_contract
from lakelib.contracts.inferring import infer_contract
from lakelib.errors import UsageError, closest
from lakelib.names import TableName
from lakelib.scaffold.notebook import notebook_text
from lakelib.scaffold.origin import Origin, find_origin
from lakelib.tables import read
from lakelib.tables.sampling import sample

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Made", "make_table"]

_LONGEST_LINE: Final = 110
_MOST_SUMS: Final = 10


@dataclass(frozen=True)
class Made:
    """The new files, and the contract as it reads."""

    contract_file: Path
    notebook_file: Path
    contract: Contract


def make_table(name: TableName, origin: str, *, by: Sequence[str] = ()) -> Made:
    """Writes a contract and a notebook for table `name`, which run as they are, and are then a person's to change.

    `origin` of a bronze table: a file below landing, also with what is inside of it (`fleet.xml#plane`), a folder of
    files there (of which the newest is looked at, and the columns of the others), or a table of a database as
    `<address>/<table>`. Of a silver or gold table: the table it is made from, which has rows. `by` are the columns that
    a gold table has one row for each of: it counts and sums; without them it begins as a copy.

    Raises:
        UsageError: the table has a contract or a notebook, the origin is none of those, or has no column of `by`.
        TableNotFoundError: the table it is made from was not written yet.
        DataError: the file can't be read.
    """
    project = context.current().settings.project
    contract_file = name.contract_file(project / "contracts")
    notebook_file = project / "notebooks" / name.layer / f"{name.table}.ipynb"
    for file in (contract_file, notebook_file):
        if file.exists():
            raise UsageError(f"{name} was to be made new; it has {file}.", hint="Give another name, or move it away.")
    if by and name.layer != "gold":
        raise UsageError(
            f"{name} was to be grouped by {', '.join(by)}.", hint="Gold tables are; others keep their rows."
        )
    contract, script = _first_version(name, origin, by=by)
    # The notebook comes last: without its contract it would fail, and a contract alone hurts nobody.
    for file, text in ((contract_file, contract), (notebook_file, notebook_text(script))):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Made(contract_file, notebook_file, load_contract(name, project / "contracts"))


def _first_version(name: TableName, origin: str, *, by: Sequence[str]) -> tuple[str, str]:
    match name.layer:
        case "bronze":
            return _from_source(name, origin)
        case "silver":
            return _clean(name, TableName.parse(origin))
        case _:
            return _grouped(name, TableName.parse(origin), by) if by else _copied(name, TableName.parse(origin))


def _from_source(name: TableName, origin: str) -> tuple[str, str]:
    found: Origin = find_origin(origin, table=name.table)
    script = _filled(name, first=found.first, last=found.last, source=found.code)
    return infer_contract(name, found.rows, others=found.others), script


def _clean(name: TableName, upstream: TableName) -> tuple[str, str]:
    rows = sample(str(upstream))
    renamed = _renamed([column for column in rows.column_names if not column.startswith("_")])
    names = [renamed.get(column, column) for column in rows.column_names]
    code = f'tables.read("{upstream}", delivered=run.interval){_renaming(renamed)}'
    return infer_contract(name, rows.rename_columns(names)), _script(name, rows, read=code)


def _copied(name: TableName, upstream: TableName) -> tuple[str, str]:
    rows = sample(str(upstream))
    own = [column for column in rows.column_names if not column.startswith("_")]
    answer = "rows.select(*run.contract.column_names)"
    return infer_contract(name, rows.select(own)), _gold_script(name, rows, upstream, answer=answer, key="row")


def _grouped(name: TableName, upstream: TableName, by: Sequence[str]) -> tuple[str, str]:
    from pyspark.sql import functions as F

    rows = read(str(upstream))
    if unknown := [column for column in by if column not in rows.columns]:
        raise UsageError(
            f"Rows of {upstream} were to be grouped by {unknown[0]}; it has no such column.",
            hint=closest(unknown[0], [column for column in rows.columns if not column.startswith("_")]),
        )
    summed = _summed(rows, upstream, by)
    grouped = rows.groupBy(*by).agg(F.count("*").alias("rows"), *(F.sum(each).alias(each) for each in summed))
    terms = ['F.count("*").alias("rows")', *(f'F.sum("{each}").alias("{each}")' for each in summed)]
    counted = "".join(f"    {term},\n" for term in terms)
    answer = f"rows.groupBy({', '.join(map(json.dumps, by))}).agg(\n{counted})"
    script = _gold_script(name, sample(str(upstream)), upstream, answer=answer, key=" and ".join(by))
    return infer_contract(name, grouped.toArrow(), key=by), script


def _summed(rows: "DataFrame", upstream: TableName, by: Sequence[str]) -> list[str]:
    """The columns of numbers that measure something: neither groups nor keys."""
    from pyspark.sql.types import NumericType

    left_out = {*by, *context.current().contract(upstream).key}
    numbers = (each.name for each in rows.schema if isinstance(each.dataType, NumericType))
    return [each for each in numbers if each not in left_out and not each.startswith("_")][:_MOST_SUMS]


def _gold_script(name: TableName, rows: pa.Table, upstream: TableName, *, answer: str, key: str) -> str:
    functions = "from pyspark.sql import functions as F\n\n" if "F." in answer else ""
    told = {"origin": upstream, "read": f'tables.read("{upstream}")', "answer": answer, "key": key}
    return _script(name, rows, functions=functions, **told)


def _script(name: TableName, rows: pa.Table, **told: Any) -> str:
    first, last = _dates(rows)
    return _filled(name, first=first, last=last, **told)


def _filled(name: TableName, **told: Any) -> str:
    template = (files("lakelib.scaffold") / "notebooks" / f"{name.layer}.py.tmpl").read_text(encoding="utf-8")
    title = name.table.replace("_", " ").capitalize()
    return Template(template).substitute(told | {"table": name, "title": title})


def _dates(rows: pa.Table) -> tuple[date, date]:
    """The first and the last delivery that the rows come from; today where they do not know."""
    days: list[Any] = rows["_delivered_on"].drop_null().to_pylist() if "_delivered_on" in rows.column_names else []
    today = datetime.now(UTC).date()
    return min(days, default=today), max(days, default=today)


def _renamed(columns: list[str]) -> Mapping[str, str]:
    """Names in lower case with underscores for those that are written otherwise; none where two would be the same."""
    names = {column: _snake_case(column) for column in columns}
    if len(set(names.values())) < len(names):
        return {}
    return {column: name for column, name in names.items() if name != column}


def _snake_case(name: str) -> str:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_") or "unnamed"


def _renaming(renamed: Mapping[str, str]) -> str:
    """As few lines as they fit in."""
    lines = [""]
    for column, name in renamed.items():
        pair = f'{json.dumps(column, ensure_ascii=False)}: "{name}",'
        if len(lines[-1]) + len(pair) > _LONGEST_LINE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {pair}".strip()
    if not renamed:
        return ""
    body = "\n".join(f"        {line}" for line in lines)
    return f".withColumnsRenamed(\n    {{\n{body}\n    }}\n)"
