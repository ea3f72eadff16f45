from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakelib.transform import newest_by_key, surviving_records
from tests.engines import embedded

quick = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
told = st.dictionaries(st.sampled_from("ABC"), st.tuples(*[st.sampled_from([None, "x", "y"])] * 2))


@embedded
def test_the_newest_row_of_each_key_is_kept(engine):
    rows = [("A", 1, "old"), ("A", 2, "new"), ("B", None, "undated"), ("B", 1, "dated"), ("A", 2, "never")]
    df = engine.session.createDataFrame(rows, "k string, at int, v string")
    kept = df.transform(newest_by_key, key=["k"], newest_by=["at"]).orderBy("k").collect()
    assert [tuple(row) for row in kept] == [("A", 2, "new"), ("B", 1, "dated")]


def test_each_value_survives_from_the_first_source_that_has_one(engine):
    registry = engine.session.createDataFrame(
        [("N1", None, 180), ("N2", "BOEING", 90)], "tail string, maker string, seats int"
    )
    airline = engine.session.createDataFrame([("N1", "AIRBUS"), ("N3", "CESSNA")], "tail string, maker string")
    records = surviving_records({"registry": registry, "airline": airline}, key=["tail"]).orderBy("tail").collect()
    assert [tuple(row) for row in records] == [
        ("N1", "AIRBUS", 180, "registry"),
        ("N2", "BOEING", 90, "registry"),
        ("N3", "CESSNA", None, "airline"),
    ]


def first_told(said, key, place):
    return next((source[key][place] for source in said if key in source and source[key][place]), None)


@embedded
@quick
@given(st.lists(told, min_size=1, max_size=3))
def test_precedence_is_the_order_of_the_sources(engine, said):
    schema = "k string, a string, b string"
    sources = {
        str(number): engine.session.createDataFrame([(key, *values) for key, values in source.items()], schema)
        for number, source in enumerate(said)
    }
    found = {row["k"]: (row["a"], row["b"]) for row in surviving_records(sources, key=["k"]).collect()}
    keys = {key for source in said for key in source}
    assert found == {key: (first_told(said, key, 0), first_told(said, key, 1)) for key in keys}
