from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql.connect.session import SparkSession

from lakelib.engine import open_engine
from lakelib.lineage import watch
from lakelib.settings import Settings
from tests.lineage.conftest import Shop
from tests.lineage.odd_shapes import ODD_ON_SPARK, ODD_TEXTS
from tests.lineage.shapes import ON_SPARK, SHAPES, SPARK_TEXTS
from tests.lineage.test_shapes import check

# These ask the engine for schemas in every way there is; the others differ in nothing that an engine has a part in.
ASKING = {
    "star",
    "pivot",
    "aggregate, named by the engine",
    "mapInPandas",
    "temporary view",
    "view made by SQL",
    "SQL: star",
    "SQL: natural join",
    "SQL: star but some",
    "SQL: recursive",
    "SQL: function of each row",
    "SQL: grouped by time",
    "SQL: star but a field",
    "SQL: unpivot of lists",
    "SQL: recursion that joins itself",
}


@pytest.fixture
def shop_on_spark(spark_settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The same tables. PySpark binds a checkpoint to the session that is active, the first of a process."""
    engine = open_engine(spark_settings)
    monkeypatch.setattr(SparkSession._active_session, "session", engine.session, raising=False)
    watch(engine.session)
    yield Shop(engine.session, shop.warehouse)
    engine.close()


@pytest.mark.usefixtures("spark_server")
def test_lineage_on_spark_is_the_same_and_so_is_what_was_kept(shop_on_spark: Shop, tmp_path: Path) -> None:
    asking = [shape for shape in (*SHAPES, *SPARK_TEXTS, *ODD_TEXTS) if shape.name in ASKING]
    for shape in (*ON_SPARK, *ODD_ON_SPARK, *asking):
        try:
            for _ in range(2):
                shop_on_spark.begin_anew()
                check(shop_on_spark.trace(shape.make(shop_on_spark), tmp_path), shape)
        except AssertionError as error:
            error.add_note(shape.name)
            raise
