from datetime import date

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakelib import context, tables
from lakelib.errors import RuleError
from lakelib.names import TableName
from lakelib.tables import reading
from tests.engines import embedded
from tests.tables.conftest import COLOUR, THING_ID
from tests.tables.test_merge import merge, report


def seen(lake, day):
    """What gold.seen gets as changed in a run over the day, after which it has read the table."""
    run = lake.start("gold.seen", day)
    changed = tables.changes("silver.things", delivered=run.interval).select("thing_id")
    tables.merge(changed, run.contract)
    return sorted(row.thing_id for row in changed.collect())


def test_what_was_written_since_the_last_read_is_a_change_whatever_its_day(things):
    things.contract("gold.seen", THING_ID)
    merge(things, report("a", "red", 1), report("b", "red", 1))
    assert seen(things, "2013-01-01") == ["a", "b"]
    merge(things, report("b", "blue", 5), report("e", "red", 5))
    merge(things, report("c", "red", 6))
    merge(things, report("d", "red", 2))
    assert seen(things, "2013-01-02") == ["b", "c", "d", "e"]
    assert seen(things, "2013-01-02") == ["d"]


@embedded
def test_what_others_write_after_a_run_has_read_hides_nothing_of_before(things):
    things.contract("gold.seen", THING_ID)
    merge(things, report("a", "red", 1))
    seen(things, "2013-01-01")
    merge(things, report("b", "red", 5))
    run = things.start("gold.seen", "2013-01-02")
    tables.read("silver.things")
    path = TableName.parse("silver.things").path(context.current().settings.warehouse)
    for _ in range(3):
        write_deltalake(
            path, pa.table({"thing_id": ["c"], "_delivered_on": [date(2013, 1, 2)]}), mode="append", schema_mode="merge"
        )
    changed = tables.changes("silver.things", delivered=run.interval)
    assert [row.thing_id for row in changed.collect()] == ["b"]


@embedded
def test_what_was_read_is_known_however_many_commits_tell_nothing_of_it(things, monkeypatch):
    monkeypatch.setattr(reading, "_AT_FIRST", 2)
    things.contract("gold.seen", THING_ID)
    merge(things, report("a", "red", 1))
    seen(things, "2013-01-01")
    merge(things, report("late", "red", 1))
    path = TableName.parse("gold.seen").path(context.current().settings.warehouse)
    for _ in range(5):
        write_deltalake(path, pa.table({"thing_id": ["x"]}), mode="append", schema_mode="merge")
    run = things.start("gold.seen", "2013-01-02")
    changed = tables.changes("silver.things", delivered=run.interval)
    assert [row.thing_id for row in changed.collect()] == ["late"]


@embedded
def test_a_run_that_only_added_a_column_before_it_failed_has_not_looked_at_what_it_read(things):
    things.contract("gold.seen", THING_ID)
    merge(things, report("a", "red", 1))
    seen(things, "2013-01-01")
    merge(things, report("late", "red", 1))
    more = {"type": "library", "metric": "rowCount", "mustBeGreaterThan": 9}
    things.contract("gold.seen", THING_ID, COLOUR, evolution="evolve", quality=[more])
    run = things.start("gold.seen", "2013-01-02")
    with pytest.raises(RuleError):
        tables.merge(tables.changes("silver.things", delivered=run.interval).drop("_delivered_on"), run.contract)
    assert "colour" in things.schema("gold.seen")
    things.contract("gold.seen", THING_ID, COLOUR, evolution="evolve")
    run = things.start("gold.seen", "2013-01-02")
    changed = tables.changes("silver.things", delivered=run.interval)
    assert [row.thing_id for row in changed.collect()] == ["late"]
