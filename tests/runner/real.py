"""A project whose one notebook with rows is real: it reads a table and writes another one by lakelib's verbs."""

import pyarrow as pa
from deltalake import write_deltalake
from nbformat.v4 import new_code_cell, new_markdown_cell

from tests.runner.projects import DATES, Project

IMPORTS = "from datetime import date\n\nfrom lakelib import start, tables"
START = 'run = start("silver.b", start_date=start_date, end_date=end_date)\nnames = tables.read("bronze.a")'
WRITE = "tables.overwrite(names, run.contract)"


def real_project(project: Project, *, write: str = WRITE) -> Project:
    """`bronze.a` holds two names; `silver.b` becomes them, or what `write` makes of them."""
    project.notebook("bronze.a", parameters=DATES)
    project.contract("silver.b", primaryKey=True)
    project.file(
        "silver.b",
        [
            new_markdown_cell("# Names"),
            new_code_cell(IMPORTS),
            new_code_cell(DATES, metadata={"tags": ["parameters"]}),
            new_code_cell(START),
            new_code_cell(write),
        ],
    )
    add_names(project, "Ada", "Grace")
    return project


def add_names(project: Project, *names: str) -> None:
    path = str(project.settings.warehouse / "bronze" / "a")
    write_deltalake(path, pa.table({"name": list(names)}), mode="append")
