"""Any bytes as a delivery of each format: its rows, or a refusal with its reason; nothing else, and nothing lost."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.content_hash import ContentHash
from tests.fuzz.deliveries import any_bytes
from tests.ingest.delivering import deliver, parse

SOURCES = {
    "csv": ingest.csv("x.csv"),
    "dialect": ingest.csv("x.dialect", escape="\\", comment="#"),
    "json": ingest.json("x.json"),
    "jsonl": ingest.jsonl("x.jsonl"),
    "xml": ingest.xml("x.xml", row="r"),
    "gz": ingest.csv("x.csv"),
    "zip": ingest.csv("x.csv"),
    "sqlite": ingest.sqlite("x.sqlite", table="t"),
    "parquet": ingest.parquet("x.parquet"),
}


def outcome(delivery: ingest.Delivery, source: ingest.Source, into: Path) -> ingest.Parsed | DeliveryRefusedError:
    try:
        return parse(delivery, source, into=into)
    except DeliveryRefusedError as refusal:
        return refusal


@pytest.mark.parametrize("kind", SOURCES)
@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_delivery_becomes_its_rows_or_is_refused(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = data.draw(any_bytes(kind))
    name = f"x.csv.{kind}" if kind in ("gz", "zip") else f"x.{kind}"
    into = tmp_path / "rows.parquet"
    delivery = deliver(tmp_path, content, name=name)
    parsed = outcome(delivery, SOURCES[kind], into)
    if isinstance(parsed, DeliveryRefusedError):
        assert (bool(parsed.reason), parsed.verdict in ("refused", "held"), into.exists()) == (True, True, False)
        return
    rows = parquet.read_table(into)
    again = ContentHash()
    again.update(rows)
    assert (rows.num_rows, again.hexdigest()) == (parsed.rows, parsed.content_hash)
    assert rows["_source_row"].to_pylist() == list(range(1, parsed.rows + 1))
    into.unlink()
