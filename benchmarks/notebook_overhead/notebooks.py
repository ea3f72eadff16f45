"""The same small notebook, as each side writes it: parameters, a session, an aggregate over 1,000 rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from nbformat import NotebookNode, write
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lakelib import events

__all__ = ["AGGREGATE", "OURS", "OURS_NO_SESSION", "write_peers", "write_project"]

OURS: Final = "gold.overhead"
OURS_NO_SESSION: Final = "gold.overhead_no_session"

_TITLE: Final = "# Overhead\nWhat a notebook costs beside its work."
_PARAMETERS: Final = 'start_date: str = "2013-01-01"\nend_date: str = "2013-01-01"'
AGGREGATE: Final = """(
    spark.range(1000)
    .groupBy((F.col("id") % 10).alias("group"))
    .agg(F.count("*").alias("rows"), F.sum("id").alias("total"))
    .orderBy("group")
    .toPandas()
)"""
_SUM: Final = "sum(range(1000))"
_PLAIN: Final = ("import os", _SUM)

_FRESH: Final = """(
    builder.config("spark.jars", os.environ["DELTA_JARS"])
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .getOrCreate()
)"""
_IMPORTS: Final = "import os\n\nfrom pyspark.sql import SparkSession\nfrom pyspark.sql import functions as F"

# The name of the file, and the cells that make a session.
_SESSIONS: Final[Mapping[str, Sequence[str]]] = {
    "fresh": (_IMPORTS, f"builder = SparkSession.builder.appName('overhead')\nspark = {_FRESH}"),
    "connect": (_IMPORTS, "spark = SparkSession.builder.remote(os.environ['CONNECT_URL']).getOrCreate()"),
}

_OUR_IMPORTS: Final = (
    "from pyspark.sql import SparkSession\nfrom pyspark.sql import functions as F\n\nfrom lakelib import events, start"
)
# The runner reads from the code which table a notebook is for; one without a session does not call lakelib for it.
_STAND_IN: Final = (
    "from IPython.display import publish_display_data\n\n\ndef start(table, **interval):\n    return table"
)
_CONTRACT: Final = """apiVersion: v3.1.0
kind: DataContract
id: {table}
name: Overhead
version: 1.0.0
status: active
schema:
  - name: {name}
    physicalName: {table}
    logicalType: object
    physicalType: table
    description: One row a group.
    properties:
      - name: group
        logicalType: integer
        physicalType: bigint
        description: the last digit
        primaryKey: true
        primaryKeyPosition: 1
        required: true
"""


def write_peers(folder: Path, work: str = AGGREGATE) -> None:
    """`fresh.ipynb`, `connect.ipynb` and, without a session, `plain.ipynb`, for the kernel that every Jupyter has.

    `work` is the cell that uses the session, as `spark`, and its functions, as `F`.
    """
    with_session = {name: (*session, work) for name, session in _SESSIONS.items()}
    for name, cells in (with_session | {"plain": _PLAIN}).items():
        write(_notebook(cells, kernel="python3"), folder / f"{name}.ipynb")


def write_project(folder: Path, work: str = AGGREGATE) -> None:
    """A lakelib project of two notebooks: the same work, and one without a session."""
    for name in ("conf", "contracts/gold", "notebooks/gold"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "conf" / "local.yml").write_text("engine: embedded\n", encoding="utf-8")
    _write_table(folder, OURS, (_OUR_IMPORTS, _begin(OURS, "spark = SparkSession.active()"), work, _tell(OURS)))
    _write_table(folder, OURS_NO_SESSION, (_STAND_IN, _begin(OURS_NO_SESSION), _SUM, _tell_by_hand(OURS_NO_SESSION)))


def _begin(table: str, *session: str) -> str:
    return "\n".join((f'run = start("{table}", start_date=start_date, end_date=end_date)', *session))


# A run has to end with a write: this says of one that it had nothing to change, so that no write is measured.
def _nothing_written(table: str) -> events.Published:
    return events.Published(table, "merge", 0, 0, 0, 0, is_committed=False, seconds=0.0)


def _tell(table: str) -> str:
    return f"events.publish(events.{_nothing_written(table)!r})"


def _tell_by_hand(table: str) -> str:
    scrap = {"name": "lake/0001", "data": events.as_dict(_nothing_written(table)), "encoder": "json", "version": 1}
    metadata = {"scrapbook": {"name": "lake/0001", "data": True, "display": False}}
    return f"publish_display_data({{'application/scrapbook.scrap.json+json': {scrap!r}}}, metadata={metadata!r})"


def _write_table(folder: Path, table: str, cells: Sequence[str]) -> None:
    name = table.partition(".")[2]
    contract = _CONTRACT.format(table=table, name=name)
    (folder / "contracts" / "gold" / f"{name}.yml").write_text(contract, encoding="utf-8")
    write(_notebook(cells, kernel="lake"), folder / "notebooks" / "gold" / f"{name}.ipynb")


def _notebook(cells: Sequence[str], *, kernel: str) -> NotebookNode:
    imports, *steps = cells
    parameters = new_code_cell(_PARAMETERS, metadata={"tags": ["parameters"]})
    notebook: NotebookNode = new_notebook(
        cells=[new_markdown_cell(_TITLE), new_code_cell(imports), parameters, *map(new_code_cell, steps)],
        metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
    )
    return notebook
