"""Each shape of `shapes.py` and `odd_shapes.py` has the edges that are true of it, no more and no fewer."""

import pytest
from pyspark.sql import functions as F

from lakelib.lineage import Lineage
from tests.lineage.conftest import Shop, decided, direct, rows
from tests.lineage.odd_shapes import ODD_DATAFRAMES, ODD_TEXTS
from tests.lineage.shapes import SHAPES, SPARK_TEXTS, Shape


def listed(text: str) -> set[str]:
    return set(filter(None, text.split(", ")))


@pytest.mark.filterwarnings("ignore:.*No Partition Defined")
@pytest.mark.parametrize("shape", [*SHAPES, *ODD_DATAFRAMES], ids=lambda shape: shape.name)
def test_what_flows_and_what_decides_is_what_is_true(shape: Shape, shop: Shop) -> None:
    check(shop.trace(shape.make(shop)), shape)


@pytest.mark.parametrize("shape", [*SPARK_TEXTS, *ODD_TEXTS], ids=lambda shape: shape.name)
def test_what_only_spark_reads_is_followed(shape: Shape, shop: Shop) -> None:
    shop.make_views()
    check(shop.trace_text(str(shape.build)), shape)


def check(lineage: Lineage, shape: Shape) -> None:
    assert lineage.unresolved == ()
    assert direct(lineage) == {name: listed(origins) for name, origins in shape.columns.items()}
    assert rows(lineage) == listed(shape.rows)
    assert decided(lineage) == {name: listed(origins) for name, origins in shape.decided.items()}


@pytest.mark.parametrize(
    "build",
    [
        lambda s: s.customers.select(F.from_json("email", "a int, b int").alias("j")).select("j.*"),
        lambda s: s.customers.select(F.udf(str.split, "struct<a: string, b: int>")("email").alias("j")).select("j.*"),
    ],
    ids=["from_json", "UDF"],
)
def test_all_fields_of_what_only_the_engine_knows_are_told_and_said_to_be_too_much(build, shop: Shop) -> None:
    lineage = shop.trace(build(shop))
    assert {name: {origin.column for origin in found} for name, found in lineage.columns.items()} == {
        "a": {"email"},
        "b": {"email"},
    }
    assert lineage.unresolved == ("a select",)
