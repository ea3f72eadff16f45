from pyspark.sql import functions as F

from lakelib import events, tables


def test_lineage_is_kept_for_the_next_run_and_told_of_its_versions(things):
    told = []
    things.contract("gold.colours", {"name": "colour", "physicalType": "string", "primaryKey": True})
    for day in ("2013-01-01", "2013-01-02"):
        run = things.start("silver.things", day)
        rows = things.df([("a", "red", day)], "thing_id string, colour string, day string")
        tables.merge(rows.select("thing_id", "colour", F.to_date("day").alias("_delivered_on")), run.contract)
        told.append(things.last(events.Traced))
        run = things.start("gold.colours", day)
        delivered = tables.read("silver.things").where(F.col("_delivered_on") == day)
        tables.overwrite(delivered.select("colour"), run.contract)
        told.append(things.last(events.Traced))
    assert [each.is_kept for each in told] == [False, False, True, True]
    assert [flow.version for each in told for flow in each.flows if each.table == "gold.colours"] == [1, 2]
