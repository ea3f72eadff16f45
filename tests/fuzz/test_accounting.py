"""The whole way of generated deliveries: every row that arrived is accounted for, once."""

from contextlib import suppress
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakelib import context, events, ingest, start, tables
from lakelib.errors import DeliveryRefusedError
from lakelib.transform import cast_to_contract
from tests.engines import embedded
from tests.fuzz.deliveries import any_bytes

pytestmark = embedded

NUMBERS = count()
KEY = {"name": "a", "physicalType": "int", "primaryKey": True, "primaryKeyPosition": 1}
LINES = st.lists(st.sampled_from(["1,x", "1,y", "2,x", "2,x", "3,", ",x", "z,x", "1", "1,2,3", '"4\n",x', '"5"6,x']))
FILES = st.one_of(LINES.map(lambda lines: "\n".join(["a,b", *lines]).encode()), any_bytes("csv"))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries=st.lists(FILES, min_size=1, max_size=3))
def test_delivered_is_published_quarantined_superseded_or_repeated(lake, deliveries):
    name = f"things{next(NUMBERS)}"
    lake.contract(f"bronze.{name}", *({"name": each, "physicalType": "string"} for each in "ab"))
    lake.contract(f"silver.{name}", KEY, {"name": "b", "physicalType": "string"}, newestBy="_delivered_on")
    landing = lake.project / "landing" / name
    landing.mkdir()
    for day, content in enumerate(deliveries, start=1):
        (landing / f"{name}_2013-01-0{day}.csv").write_bytes(content)
    seen = loaded(name)
    delivered = sum(each.rows for each in seen)
    assert {each.verdict for each in seen} <= {"loaded", "refused", "held"}
    assert len(lake.rows(f"bronze.{name}", "_source_row")) == delivered

    run = start(f"silver.{name}", start_date="2013-01-01", end_date="2013-01-31")
    rows = tables.read(f"bronze.{name}", delivered=run.interval)
    tables.merge(rows.transform(cast_to_contract, run.contract), run.contract)
    [audited] = [event for event in context.current().seen if isinstance(event, events.Audited)]
    assert audited.accepted + audited.quarantined + audited.superseded + audited.duplicates == delivered
    assert len(lake.rows(f"silver.{name}")) == audited.accepted
    if audited.quarantined:
        assert len(lake.rows(f"quarantine.silver__{name}")) == audited.quarantined


def loaded(name):
    run = start(f"bronze.{name}", start_date="2013-01-01", end_date="2013-01-31")
    with suppress(DeliveryRefusedError):
        tables.load(ingest.csv(f"{name}/{name}_{{date}}.csv"), run.contract, delivered=run.interval)
    return [event for event in context.current().seen if isinstance(event, events.DeliverySeen)]
