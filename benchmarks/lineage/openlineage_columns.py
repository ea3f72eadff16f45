"""What OpenLineage's listener tells of each query, when its rows are appended to a Delta table that exists.

That is where it does best: of a table's first write it tells no columns. Spark runs in this process, without Connect.
"""

import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

from pyspark.sql import SparkSession
from upath import UPath

from lakelib.engine import Commit
from lakelib.engine.delta_log import create_table
from lakelib.engine.spark_jars import delta_jars
from lakelib.settings import SparkSettings
from tests.lineage.conftest import SCHEMAS, Shop
from tests.lineage.odd_shapes import ODD_DATAFRAMES, ODD_TEXTS
from tests.lineage.shapes import SHAPES, SPARK_TEXTS, Shape

_SECONDS = 40  # for one query
_ROWS = {
    "silver.orders": "SELECT 1 id, 1 customer, 2D amount, DATE'2020-01-01' placed, "
    "named_struct('city', 'x', 'zip', 'y') address, array(named_struct('sku', 's', 'price', 1D)) items, "
    "map('a', 'b') tags",
    "silver.customers": "SELECT 1 id, 'n' name, 'e' email, 'CH' country",
}


def main(jar: str, out: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        signal.signal(signal.SIGALRM, _too_long)
        session = _session(jar, folder)
        shop = _shop(session, folder / "warehouse")
        shop.make_views()
        told: dict[str, int | str] = {}
        for number, shape in enumerate((*SHAPES, *SPARK_TEXTS, *ODD_DATAFRAMES, *ODD_TEXTS)):
            told[shape.name] = _columns(shape, shop, folder, number)
            sys.stderr.write(f"{shape.name}: {told[shape.name]}\n")
        session.stop()
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    written = {name: number for name, number in told.items() if isinstance(number, int)}
    found = {name: _told(events, f"out{number}") for name, number in written.items()}
    Path(out).write_text(json.dumps(found))


def _session(jar: str, folder: Path) -> SparkSession:
    jars = ",".join(map(str, (*delta_jars(SparkSettings()), jar)))
    settings = {
        "spark.jars": jars,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.extraListeners": "io.openlineage.spark.agent.OpenLineageSparkListener",
        "spark.openlineage.transport.type": "file",
        "spark.openlineage.transport.location": str(folder / "events.jsonl"),
        "spark.openlineage.namespace": "lab",
        "spark.ui.enabled": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.warehouse.dir": str(folder / "spark"),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def _shop(session: SparkSession, warehouse: Path) -> Shop:
    for name in SCHEMAS:
        layer, table = name.split(".")
        session.sql(_ROWS[name]).write.format("delta").save(str(warehouse / layer / table))
    return Shop(session, UPath(warehouse))


def _columns(shape: Shape, shop: Shop, folder: Path, number: int) -> int | str:
    """The number of the table that was written, or why none was."""
    signal.alarm(_SECONDS)
    try:
        rows = shape.make(shop)
        path = str(folder / f"out{number}")
        create_table(path, rows.schema, commit=Commit("{}", "make"))
        rows.write.format("delta").mode("append").save(path)
    except Exception as error:  # noqa: BLE001 - Spark does not take the query
        shop.session.sparkContext.cancelAllJobs()
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        signal.alarm(0)
    return number


def _too_long(signum: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"not written after {_SECONDS} s")


def _told(events: list[Mapping[str, Any]], table: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for event in events:
        for output in event["outputs"]:
            if output["name"].endswith(f"/{table}"):
                fields = output.get("facets", {}).get("columnLineage", {}).get("fields", {})
                for column, told in fields.items():
                    found.setdefault(column, set()).update(map(_origin, filter(_is_direct, told["inputFields"])))
    return {column: sorted(origins) for column, origins in found.items()}


def _is_direct(field: Mapping[str, Any]) -> bool:
    ways = field.get("transformations") or []
    return not ways or any(way["type"] == "DIRECT" for way in ways)


def _origin(field: Mapping[str, Any]) -> str:
    return f"{Path(field['name']).name}.{field['field']}"


if __name__ == "__main__":
    main(*cast(tuple[str, str], tuple(sys.argv[1:])))
