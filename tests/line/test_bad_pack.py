"""The broken drops of data/bad, each on a lake that holds the good drops up to the day before."""

import json
from pathlib import Path

import pytest

from lakelib.errors import DeliveryRefusedError

# Deliveries are judged before an engine sees a row, and the rules are tested on both engines.
pytestmark = pytest.mark.parametrize("engine", ["embedded"], indirect=True)

BAD = Path(__file__).parents[2] / "data" / "bad"
EXPECTED = json.loads((BAD / "expected.json").read_text())
FLIGHTS = {
    case: told
    for case, told in EXPECTED.items()
    if "flights" in told["files"][0] and not told["files"][0].endswith(".zip")
}
DAILY = {case: told for case, told in FLIGHTS.items() if case != "older_after_newer"}
MANIFEST_VERDICT = {"REJECT_FILE": "refused", "HOLD": "held"}


def files(case):
    return [BAD / case / name for name in EXPECTED[case]["files"]]


def without_run(rows):
    dropped = ("_run_id", "_updated_at")
    return sorted(str({key: value for key, value in row.items() if key not in dropped}) for row in rows)


@pytest.fixture
def line(new_line):
    made = new_line()
    made.deliver(
        "flights/flights_2013-01-01.csv.gz",
        "flights/flights_2013-01-02.csv.gz",
        "airports/airports_2013-01-01.json.gz",
        "carriers/airlines.xml",
    )
    made.run("2013-01-01", "2013-01-02", only=["bronze", "silver"])
    return made


@pytest.mark.parametrize("case", [case for case, told in DAILY.items() if told["verdict"] in MANIFEST_VERDICT])
def test_a_refused_or_held_delivery_changes_nothing_and_is_named(line, case):
    before = {table: without_run(line.read(table)) for table in ("bronze.flights", "silver.flights")}
    line.deliver(*files(case))
    with pytest.raises(DeliveryRefusedError, match="flights_2013-01-03") as raised:
        line.run("2013-01-03", only=["bronze.flights"])
    assert raised.value.reason == EXPECTED[case]["reason"]
    line.run("2013-01-03", only=["silver.flights"])
    assert {table: without_run(line.read(table)) for table in before} == before
    manifest = [row for row in line.read("bronze._manifest") if "2013-01-03" in row["path"]]
    assert [(row["verdict"], row["reason"]) for row in manifest] == [
        (MANIFEST_VERDICT[EXPECTED[case]["verdict"]], EXPECTED[case]["reason"])
    ]


@pytest.mark.parametrize("case", [case for case, told in DAILY.items() if told["verdict"] not in MANIFEST_VERDICT])
def test_good_rows_load_and_bad_ones_are_quarantined_with_the_reason(line, case):
    told = EXPECTED[case]
    before = len(line.read("silver.flights"))
    line.deliver(*files(case))
    line.run("2013-01-03", only=["bronze.flights", "silver.flights"])
    quarantined = line.read("quarantine.silver__flights")
    new_day = [row for row in line.read("silver.flights") if str(row["_delivered_on"]) == "2013-01-03"]
    assert (len(new_day), len(quarantined)) == (told["rows_loaded"], told.get("rows_quarantined", 0))
    assert len(line.read("silver.flights")) == before + told["rows_loaded"]
    assert all(told["reason"].lower() in row["rules"] for row in quarantined)
    assert all(row["_source_file"] and row["_source_row"] for row in quarantined)
    assert all(len(row["row"]) < 4000 for row in quarantined)


def test_a_new_column_is_kept_in_bronze_and_reported(line):
    line.deliver(*files("extra_column"))
    line.run("2013-01-03", only=["bronze.flights"])
    drift = {column for row in line.read("bronze._manifest") for column in row["drift"]}
    assert len(drift) == 1
    assert all(
        row[drift.copy().pop()] is not None
        for row in line.read("bronze.flights")
        if str(row["_delivered_on"]) == "2013-01-03"
    )


def test_a_repaired_file_loads_after_the_broken_one(line):
    line.deliver(*files("truncated_gzip"))
    with pytest.raises(DeliveryRefusedError):
        line.run("2013-01-03", only=["bronze.flights"])
    line.deliver("flights/flights_2013-01-03.csv.gz")
    for broken in (line.project / "landing").rglob("truncated_gzip/*"):
        broken.unlink()
    line.run("2013-01-03", only=["bronze.flights", "silver.flights"])
    assert sum(str(row["_delivered_on"]) == "2013-01-03" for row in line.read("bronze.flights")) == 989


def test_a_broken_file_among_good_ones_stops_only_itself(new_line):
    made = new_line()
    made.deliver("flights/flights_2013-01-01.csv.gz", "flights/flights_2013-01-02.csv.gz", *files("semicolon"))
    with pytest.raises(DeliveryRefusedError, match="1 of 3 deliveries"):
        made.run("2013-01-01", "2013-01-03", only=["bronze.flights"])
    assert len(made.read("bronze.flights")) == 842 + 1023


def test_an_older_file_that_arrives_later_does_not_win(new_line):
    newer, older = files("older_after_newer")
    made = new_line()
    made.deliver(newer, "airports/airports_2013-01-01.json.gz", "carriers/airlines.xml")
    made.run("2013-01-01", "2013-01-02", only=["bronze", "silver"])
    expected = without_run(made.read("silver.flights"))
    made.deliver(older)
    made.run("2013-01-01", "2013-01-02", only=["bronze", "silver"])
    assert len(expected) == EXPECTED["older_after_newer"]["rows_loaded"]
    assert without_run(made.read("silver.flights")) == expected


@pytest.mark.parametrize("case", ["xml_bomb", "xml_external_entity"])
def test_xml_entities_are_refused(line, case):
    line.deliver(*files(case))
    with pytest.raises(DeliveryRefusedError, match=r"airlines\.xml") as raised:
        line.run("2013-01-03", only=["bronze.carriers"])
    assert raised.value.reason == EXPECTED[case]["reason"]
    assert len(line.read("bronze.carriers")) == 16


def test_json_in_another_encoding_is_refused(line):
    line.deliver(*files("latin1_encoding"))
    with pytest.raises(DeliveryRefusedError, match="airports_2013-01-03") as raised:
        line.run("2013-01-03", only=["bronze.airports"])
    assert raised.value.reason == EXPECTED["latin1_encoding"]["reason"]
