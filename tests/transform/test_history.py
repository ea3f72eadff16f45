from datetime import date

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from lakelib.transform import current_versions, history_from_changes, history_from_snapshots
from tests.engines import embedded

SNAPSHOT_ROW = "tail string, seats int, speed int, _delivered_on date"
HISTORY = ["tail", "seats", "speed", "_valid_from", "_valid_to"]
CHANGE_ROW = "tail string, seats int, changed_on date, is_deleted boolean"
quick = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

tails = st.sampled_from(["A", "B", "C"])
days = st.integers(1, 6)
values = st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, 0, 7, 8]))
snapshots = st.dictionaries(days, st.dictionaries(tails, values), min_size=1)
changes = st.dictionaries(st.tuples(tails, days), st.tuples(st.sampled_from([None, 1, 2]), st.booleans()), min_size=1)


def day(number):
    return None if number is None else date(2013, 1, number)


def from_snapshots(engine, rows, **options):
    df = engine.session.createDataFrame(rows, SNAPSHOT_ROW)
    history = df.transform(history_from_snapshots, key=["tail"], tracked=["seats"], **options)
    return sorted((tuple(row) for row in history.select(*HISTORY).collect()), key=str)


def told_snapshot_by_snapshot(delivered):
    """The plain way: each snapshot, in order, closes and opens versions of the one before."""
    versions, current, speeds = [], {}, {}
    for number in sorted(delivered):
        snapshot = delivered[number]
        for tail in [tail for tail in current if tail not in snapshot]:
            current.pop(tail)[4] = day(number)
        for tail, (seats, speed) in snapshot.items():
            if speed != 0:
                speeds[tail] = speed
            if tail in current and current[tail][1] == seats:
                current[tail][2] = speeds.get(tail)
                continue
            if tail in current:
                current[tail][4] = day(number)
            current[tail] = [tail, seats, speeds.get(tail), day(number), None]
            versions.append(current[tail])
    return sorted(map(tuple, versions), key=str)


def told_change_by_change(changes):
    versions, current = [], {}
    for (tail, number), (seats, is_deleted) in sorted(changes.items(), key=lambda change: change[0][1]):
        if tail in current and (is_deleted or current[tail][1] != seats):
            current.pop(tail)[3] = day(number)
        if not is_deleted and tail not in current:
            current[tail] = [tail, seats, day(number), None]
            versions.append(current[tail])
    return sorted(map(tuple, versions), key=str)


def test_a_key_has_a_version_for_each_value_and_for_each_stay(engine):
    rows = [
        ("A", 180, 5, day(1)),
        ("A", 174, 0, day(2)),
        ("A", 174, 6, day(3)),
        ("B", 9, 1, day(1)),
        ("B", 9, 1, day(3)),
    ]
    assert from_snapshots(engine, rows, sentinels={"speed": [0]}) == [
        ("A", 174, 6, day(2), None),
        ("A", 180, 5, day(1), day(2)),
        ("B", 9, 1, day(1), day(2)),
        ("B", 9, 1, day(3), None),
    ]


@embedded
@quick
@given(delivered=snapshots, seed=st.randoms())
def test_history_is_what_comparing_each_snapshot_with_the_one_before_gives(engine, delivered, seed):
    rows = [(tail, *values, day(number)) for number, told in delivered.items() for tail, values in told.items()]
    seed.shuffle(rows)
    empty = [day(number) for number, told in delivered.items() if not told]
    history = from_snapshots(engine, rows, sentinels={"speed": [0]}, empty=empty)
    assert history == told_snapshot_by_snapshot(delivered)


@embedded
def test_an_unreadable_row_says_only_that_the_key_was_there(engine):
    rows = [("A", 180, 5, day(1)), ("A", 180, 5, day(3)), ("B", 9, 1, day(3))]
    unreadable = engine.session.createDataFrame(
        [("A", day(2)), ("A", day(3)), ("B", day(2)), ("C", day(2))], "tail string, _delivered_on date"
    )
    assert from_snapshots(engine, rows, unreadable=unreadable) == [
        ("A", 180, 5, day(1), None),
        ("B", 9, 1, day(3), None),
    ]


@embedded
def test_of_the_versions_those_in_force_are_current(engine):
    rows = engine.session.createDataFrame([("A", 1, 1, day(1)), ("A", 2, 1, day(2)), ("B", 1, 1, day(1))], SNAPSHOT_ROW)
    history = rows.transform(history_from_snapshots, key=["tail"], tracked=["seats"])
    assert [tuple(row) for row in history.transform(current_versions).collect()] == [("A", 2, 1)]


def test_change_rows_open_versions_and_deletions_close_them(engine):
    rows = [("A", 180, day(1), False), ("A", None, day(2), True), ("A", 180, day(4), None), ("A", 174, day(5), False)]
    df = engine.session.createDataFrame(rows, CHANGE_ROW)
    history = df.transform(
        history_from_changes, key=["tail"], tracked=["seats"], changed="changed_on", is_deleted=F.col("is_deleted")
    )
    assert [tuple(row) for row in history.drop("is_deleted").orderBy("_valid_from").collect()] == [
        ("A", 180, day(1), day(2), False),
        ("A", 180, day(4), day(5), False),
        ("A", 174, day(5), None, True),
    ]


@embedded
@quick
@given(changes=changes, seed=st.randoms())
def test_history_is_what_applying_each_change_to_the_one_before_gives(engine, changes, seed):
    rows = [(tail, seats, day(number), gone) for (tail, number), (seats, gone) in changes.items()]
    seed.shuffle(rows)
    df = engine.session.createDataFrame(rows, CHANGE_ROW)
    history = df.transform(
        history_from_changes, key=["tail"], tracked=["seats"], changed="changed_on", is_deleted=F.col("is_deleted")
    )
    found = history.select("tail", "seats", "_valid_from", "_valid_to").collect()
    assert sorted(map(tuple, found), key=str) == told_change_by_change(changes)
