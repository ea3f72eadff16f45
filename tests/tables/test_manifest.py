import getpass
from dataclasses import replace

import pytest

from lakelib import context, events, ingest, tables
from lakelib.errors import ContractError, DeliveryRefusedError, UsageError
from lakelib.tables import manifest
from lakelib.tables.manifest import MANIFEST, entries, record, release
from tests.engines import embedded

# Verdicts do not depend on the engine; that either writes the manifest, test_load shows.
pytestmark = embedded

PLANES = ingest.csv("planes/planes_{date}.csv")


@pytest.fixture
def planes(lake):
    """bronze.planes, whose deliveries are full snapshots."""
    lake.contract("bronze.planes", {"name": "tail", "physicalType": "string"}, snapshotKey="tail")
    (lake.project / "landing" / "planes").mkdir()
    return lake


def deliver(lake, tails, day="2013-01-01"):
    (lake.project / "landing" / "planes" / f"planes_{day}.csv").write_text("\n".join(["tail", *tails, ""]))


def load(lake, day="2013-01-01", end=None):
    run = lake.start("bronze.planes", day, end)
    tables.load(PLANES, run.contract, delivered=run.interval)


def held(lake, day):
    with pytest.raises(DeliveryRefusedError, match=r"lake release planes/planes_\S+\.csv --reason") as refused:
        load(lake, day)
    return refused.value.reason


def test_a_delivery_s_rows_and_columns_have_their_hashes(planes):
    deliver(planes, ["N1", "N2"])
    deliver(planes, ["N2", "N1"], "2013-01-02")
    load(planes, "2013-01-01", "2013-01-02")
    first, second = entries()
    assert first.content_hash != second.content_hash
    assert first.schema_fingerprint == second.schema_fingerprint
    assert all((first.content_hash, first.schema_fingerprint))


def test_a_manifest_of_an_earlier_lakelib_is_widened(planes):
    deliver(planes, ["N1"])
    load(planes)
    path = context.current().path(MANIFEST)
    old = context.current().engine.session.read.format("delta").load(path)
    narrow = old.drop("schema_fingerprint", "content_hash", "released_by", "released_at", "release_reason").toArrow()
    from deltalake import write_deltalake

    write_deltalake(path, narrow, mode="overwrite", schema_mode="overwrite")
    deliver(planes, ["N1", "N2"], "2013-01-02")
    load(planes, "2013-01-01", "2013-01-02")
    known = {each.path[-8:]: (each.verdict, each.content_hash is None) for each in entries()}
    assert known == {"1-01.csv": ("loaded", True), "1-02.csv": ("loaded", False)}


def test_a_held_delivery_is_loaded_once_it_is_released(planes):
    deliver(planes, [])
    assert held(planes, "2013-01-01") == "NO_ROWS"
    release("planes/planes_2013-01-01.csv", reason="none flew")
    load(planes)
    load(planes)
    [entry] = entries()
    assert (entry.verdict, entry.rows, entry.release_reason) == ("loaded", 0, "none flew")
    assert entry.released_by == getpass.getuser()
    assert entry.released_at is not None
    assert planes.last(events.DeliverySeen).verdict == "known"


def test_a_release_is_of_bytes_and_not_of_a_name(planes):
    deliver(planes, [])
    held(planes, "2013-01-01")
    release("planes/planes_2013-01-01.csv", reason="none flew")
    (planes.project / "landing" / "planes" / "planes_2013-01-01.csv").write_text("tail\r\n")
    assert held(planes, "2013-01-01") == "NO_ROWS"


def test_a_released_delivery_that_breaks_another_promise_is_refused_and_not_loaded_as_empty(planes):
    deliver(planes, [])
    held(planes, "2013-01-01")
    release("planes/planes_2013-01-01.csv", reason="none flew")
    planes.contract("bronze.planes", *({"name": name, "physicalType": "string"} for name in ("tail", "seats")))
    with pytest.raises(DeliveryRefusedError, match="SCHEMA_MISSING_COLUMN"):
        load(planes)
    assert [entry.verdict for entry in entries()] == ["refused"]


def test_a_release_outlasts_a_run_that_held_the_delivery_meanwhile(planes):
    deliver(planes, [])
    held(planes, "2013-01-01")
    as_that_run_saw_it = entries()
    release("planes/planes_2013-01-01.csv", reason="none flew")
    planes.start("bronze.planes")
    record(as_that_run_saw_it)
    assert [entry.verdict for entry in entries()] == ["released"]


def test_a_release_takes_back_nothing_that_was_loaded_meanwhile(planes, monkeypatch):
    deliver(planes, [])
    held(planes, "2013-01-01")
    [seen] = entries()
    planes.start("bronze.planes")
    record([replace(seen, verdict="loaded", reason="")])
    with monkeypatch.context() as before:
        before.setattr(manifest, "entries", lambda: [seen])
        release("planes/planes_2013-01-01.csv", reason="none flew")
    assert [entry.verdict for entry in entries()] == ["loaded"]


def test_releasing_again_changes_nothing(planes):
    deliver(planes, [])
    held(planes, "2013-01-01")
    path = "planes/planes_2013-01-01.csv"
    [first] = release(path, reason="none flew")
    [second] = release(path, reason="another reason")
    assert (second.release_reason, second.released_at) == ("none flew", first.released_at)


def test_a_wrong_name_is_answered_with_the_one_that_was_meant(planes):
    deliver(planes, [])
    held(planes, "2013-01-01")
    with pytest.raises(UsageError, match=r"no delivery was seen there.*\n.*mean planes/planes_2013-01-01\.csv"):
        release("planes_2013-01-01.csv", reason="none flew")


def test_rows_that_were_loaded_anew_as_others_have_their_own_hash(planes):
    deliver(planes, ["N1"])
    load(planes)
    [loaded] = entries()
    planes.start("bronze.planes")
    record([replace(loaded, content_hash="of other rows")])
    assert [(entry.verdict, entry.content_hash) for entry in entries()] == [("loaded", "of other rows")]


def test_what_is_not_held_is_not_released(planes):
    deliver(planes, ["N1"])
    load(planes)
    with pytest.raises(UsageError, match="it is loaded, not held"):
        release("planes/planes_2013-01-01.csv", reason="why not")
    with pytest.raises(UsageError, match="without a reason"):
        release("planes/planes_2013-01-01.csv", reason=" ")


@pytest.mark.parametrize("left", [[], ["N1"], ["N8", "N9"]])
def test_a_snapshot_without_most_of_the_keys_is_held(planes, left):
    deliver(planes, ["N1", "N2", "N3"])
    load(planes)
    deliver(planes, left, "2013-01-02")
    assert held(planes, "2013-01-02") == "MASS_DELETE"
    assert len(planes.rows("bronze.planes")) == 3
    assert planes.rows("bronze._manifest", "verdict", "reason") == [("held", "MASS_DELETE"), ("loaded", "")]


def test_a_released_snapshot_is_loaded_and_the_next_one_is_compared_with_it(planes):
    for day, tails in {"01": ["N1", "N2", "N3"], "02": ["N1"], "03": ["N1", "N4"]}.items():
        deliver(planes, tails, f"2013-01-{day}")
    load(planes)
    held(planes, "2013-01-02")
    release("planes/planes_2013-01-02.csv", reason="sold")
    load(planes, "2013-01-02", "2013-01-03")
    assert len(planes.rows("bronze.planes")) == 6


def test_a_snapshot_is_compared_with_the_last_one_of_the_day_before_and_half_is_not_most(planes):
    for tails in (["N1", "N2", "N3", "N4"], ["N1", "N2"]):
        deliver(planes, tails)
        load(planes)
    deliver(planes, ["N1"], "2013-01-02")
    load(planes, "2013-01-02")
    assert len(planes.rows("bronze.planes")) == 7


def test_a_second_snapshot_of_a_day_is_compared_with_the_first(planes):
    deliver(planes, ["N1", "N2", "N3"])
    load(planes)
    deliver(planes, ["N1"])
    assert held(planes, "2013-01-01") == "MASS_DELETE"


def test_snapshots_of_one_run_are_compared_with_each_other(planes):
    deliver(planes, ["N1", "N2", "N3"])
    deliver(planes, ["N1"], "2013-01-02")
    with pytest.raises(DeliveryRefusedError, match="2 of the 3 keys"):
        load(planes, "2013-01-01", "2013-01-02")
    assert len(planes.rows("bronze.planes")) == 3


@pytest.mark.parametrize("key", ["tail.number", "tail`", "select"])
def test_a_snapshot_s_key_may_be_named_as_nothing_in_sql(lake, key):
    lake.contract("bronze.planes", {"name": key, "physicalType": "string"}, snapshotKey=key)
    (lake.project / "landing" / "planes").mkdir()
    for day, tails in {"01": ["N1", "N2", "N3"], "02": ["N1"]}.items():
        file = lake.project / "landing" / "planes" / f"planes_2013-01-{day}.csv"
        file.write_text("\n".join([key, *tails, ""]))
    load(lake)
    assert held(lake, "2013-01-02") == "MASS_DELETE"


def test_a_snapshot_that_comes_back_was_whole_before(planes):
    for tails in (["N1"], ["N1", "N2", "N3"], ["N1"]):
        deliver(planes, tails)
        load(planes)
    newest = max(planes.rows("bronze.planes", "_ingested_at", "_source_sha256"))
    assert planes.rows("bronze.planes", "_source_sha256").count((newest[1],)) == 1


def test_an_older_snapshot_is_not_compared_with_a_newer_one(planes):
    deliver(planes, ["N1", "N2", "N3"], "2013-01-02")
    deliver(planes, ["N9"], "2013-01-01")
    load(planes, "2013-01-02")
    load(planes, "2013-01-01")
    assert len(planes.rows("bronze.planes")) == 4


@pytest.mark.parametrize(
    ("table", "key", "found"),
    [("bronze.planes", "tial", "names tial"), ("bronze.planes", 7, "is 7"), ("silver.planes", "tail", "for bronze")],
)
def test_a_snapshot_s_key_is_a_column_of_a_bronze_table(lake, table, key, found):
    lake.contract(table, {"name": "tail", "physicalType": "string"}, snapshotKey=key)
    with pytest.raises(ContractError, match=found):
        lake.start(table)


def test_a_user_without_a_name_releases_as_somebody_unknown(planes, monkeypatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    deliver(planes, [])
    held(planes, "2013-01-01")
    monkeypatch.setattr("getpass.getuser", nobody)
    [released] = release("planes/planes_2013-01-01.csv", reason="none flew")
    assert released.released_by == "unknown"
