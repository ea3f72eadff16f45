"""Each shape of `shapes.py` and `odd_shapes.py` has the edges that are true of it, no more and no fewer."""

import pytest

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
