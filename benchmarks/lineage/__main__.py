"""Which column lineage is right: ours, sqlglot's and that of OpenLineage's listener on Spark, over one set of queries.

The set and what is true of it are `shapes.py` and `odd_shapes.py` in `tests/lineage`. Only what flows is compared: a
column's origins, no more and no fewer. Where one tells the whole struct that a field is in, it is right for the column
and says less.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from upath import UPath

from benchmarks.command import run_command
from benchmarks.lineage.sqlglot_columns import columns_of_text
from lakelib.engine.embedded import EmbeddedEngine
from lakelib.lineage import Lineage
from tests.lineage.conftest import Shop, make_shop, short
from tests.lineage.odd_shapes import ODD_DATAFRAMES, ODD_TEXTS
from tests.lineage.shapes import SHAPES, SPARK_TEXTS, Shape

Columns = Mapping[str, set[str]]
_NONE: Final = ""
_PYTHON: Final = "rows made in Python"


def main(
    *,
    openlineage_jar: Annotated[
        Path | None, typer.Option(help="openlineage-spark_2.13-….jar; without it, that column is left out")
    ] = None,
) -> None:
    """Print the comparison as a table in Markdown."""
    shapes = [*SHAPES, *SPARK_TEXTS, *ODD_DATAFRAMES, *ODD_TEXTS]
    told = {"ours": _ours(shapes), "sqlglot": _each(columns_of_text, [s for s in shapes if isinstance(s.build, str)])}
    if openlineage_jar is not None:
        told["OpenLineage"] = _openlineage(openlineage_jar)
    for line in _table(shapes, told):
        sys.stdout.write(f"{line}\n")


def _ours(shapes: Sequence[Shape]) -> Mapping[str, Columns]:
    engine = EmbeddedEngine()
    with tempfile.TemporaryDirectory() as folder:
        shop = make_shop(engine, UPath(folder))
        shop.make_views()
        return _each(lambda shape: _direct(_traced(shape, shop)), shapes)


def _traced(shape: Shape, shop: Shop) -> Lineage:
    return shop.trace_text(str(shape.build)) if shape in (*SPARK_TEXTS, *ODD_TEXTS) else shop.trace(shape.make(shop))


def _direct(lineage: Lineage) -> Columns:
    return {name: {short(origin) for origin in origins} for name, origins in lineage.columns.items()}


def _each(find: Callable[[Shape], Columns], shapes: Sequence[Shape]) -> Mapping[str, Columns]:
    found: dict[str, Columns] = {}
    for shape in shapes:
        try:
            found[shape.name] = find(shape)
        except Exception as error:  # noqa: BLE001 - whatever it is, it has no lineage
            found[shape.name] = {f"{type(error).__name__}: {error}": set()}
    return found


def _openlineage(jar: Path) -> Mapping[str, Columns]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "columns.json"
        command = [sys.executable, "-m", "benchmarks.lineage.openlineage_columns", str(jar.resolve()), str(out)]
        # What this process speaks, Connect, it would speak, too.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
        environment["PYSPARK_PYTHON"] = sys.executable
        subprocess.run(command, check=True, env=environment)
        told = json.loads(out.read_text())
    return {name: {column: set(origins) for column, origins in columns.items()} for name, columns in told.items()}


def _table(shapes: Sequence[Shape], told: Mapping[str, Mapping[str, Columns]]) -> list[str]:
    marks = {
        who: {shape.name: _mark(shape, columns[shape.name]) if shape.name in columns else _NONE for shape in shapes}
        for who, columns in told.items()
    }
    counts = [
        f"{sum(m == 'right' for m in each.values())} of {sum(m != _NONE for m in each.values())}"
        for each in marks.values()
    ]
    rows = [[shape.name, *(each[shape.name] for each in marks.values())] for shape in shapes]
    lines = [["query", *told], ["---"] * (len(told) + 1), ["**right**", *counts], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _mark(shape: Shape, found: Columns) -> str:
    meant = {name: _names(text) for name, text in shape.columns.items()}
    found = {name.lower(): {o for o in origins if _PYTHON not in o} for name, origins in found.items()}
    meant = {name.lower(): origins for name, origins in meant.items()}
    if all(found.get(name, set()) == origins for name, origins in meant.items()):
        return "right"
    if all(_whole(found.get(name, set())) == _whole(origins) for name, origins in meant.items()):
        return "whole structs"
    return "wrong" if any(found.values()) else "nothing"


def _names(text: str) -> set[str]:
    """Without the rows that are made in Python, for which each has another word, or none."""
    return {each.rpartition(" ")[2] for each in filter(None, text.split(", ")) if _PYTHON not in each}


def _whole(origins: set[str]) -> set[str]:
    return {".".join(origin.split(".")[:2]) for origin in origins}


if __name__ == "__main__":
    run_command(main)
