from pathlib import Path

import pytest
from upath import UPath

from lakelib.engine import open_engine
from lakelib.settings import Settings
from tests.lineage.conftest import decided, direct, make_shop, rows
from tests.lineage.shapes import SHAPES
from tests.lineage.test_shapes import listed

# These ask the engine for schemas in every way there is; the others differ in nothing that an engine has a part in.
ASKING = {
    "star",
    "pivot",
    "aggregate, named by the engine",
    "mapInPandas",
    "temporary view",
    "view made by SQL",
    "SQL: star",
}


@pytest.mark.usefixtures("spark_server")
def test_lineage_on_spark_is_the_same(spark_settings: Settings, tmp_path: Path) -> None:
    engine = open_engine(spark_settings)
    shop = make_shop(engine, UPath(tmp_path))
    for shape in (shape for shape in SHAPES if shape.name in ASKING):
        lineage = shop.trace(shape.make(shop))
        assert direct(lineage) == {name: listed(origins) for name, origins in shape.columns.items()}, shape.name
        assert rows(lineage) == listed(shape.rows), shape.name
        assert decided(lineage) == {name: listed(origins) for name, origins in shape.decided.items()}, shape.name
    engine.close()
