"""The demonstration's deliveries, good and bad, with their known answers."""

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from pyarrow import parquet
from upath import UPath

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError
from lakelib.intervals import Interval
from tests.ingest.delivering import NOW

DATA = Path(__file__).parents[2] / "data"
ALWAYS = Interval.parse("2013-01-01", "2014-12-31")
BAD = json.loads((DATA / "bad" / "expected.json").read_text())
IN_FLIGHTS = (
    gzip.decompress((DATA / "landing/flights/flights_2013-01-03.csv.gz").read_bytes())
    .decode()
    .split("\n", 1)[0]
    .split(",")
)
NOT_LISTED = {"carriers": "16", "timezones": "429"}
CORRUPT_IN_PLACE = {"FIELD_COUNT", "JSON_SYNTAX"}

BAD_SOURCES = {
    "flights_2013-01-01.csv": (ingest.csv("flights_{date}.csv"), IN_FLIGHTS),
    "flights_2013-01-02.csv": (ingest.csv("flights_{date}.csv"), IN_FLIGHTS),
    "flights_2013-01-03.csv": (ingest.csv("flights_{date}.csv"), IN_FLIGHTS),
    "airports_2013-01-03.json": (ingest.json("airports_{date}.json"), ["faa", "name"]),
    "airlines.xml": (ingest.xml("airlines.xml", row="airline"), ["carrier", "name"]),
    "weather_2013-01-03.jsonl": (ingest.jsonl("weather_{date}.jsonl"), ["origin", "time_hour"]),
    "fleet_2013-04-01.sqlite": (ingest.sqlite("fleet_{date}.sqlite", table="planes"), ["tailnum", "year"]),
}
LANDING_SOURCES = {
    "flights": ingest.csv("flights/flights_{date}.csv"),
    "weather": ingest.jsonl("weather/weather_{date}.jsonl"),
    "airports": ingest.json("airports/airports_{date}.json"),
    "carriers": ingest.xml("carriers/airlines.xml", row="airline"),
    "timezones": ingest.xml("timezones/metaZones.xml", row="timezone"),
    "events": ingest.jsonl("events/events_{date}.jsonl"),
    "planes": ingest.sqlite("planes/fleet_{date}.sqlite", table="planes"),
}


def bad_files(*verdicts: str) -> list[tuple[str, str]]:
    return [
        (case, file)
        for case, expected in BAD.items()
        for file in expected["files"]
        if expected["verdict"] in verdicts and expected["reason"] != "MASS_DELETE"  # silver's
        if Path(file).name.removesuffix(".gz") in BAD_SOURCES
    ]


def load_bad(case: str, file: str, *, into: Path) -> ingest.Parsed:
    source, required = BAD_SOURCES[Path(file).name.removesuffix(".gz")]
    found = ingest.find_deliveries(source, landing=UPath(DATA / "bad" / case), interval=ALWAYS)
    (delivery,) = [delivery for delivery in found if delivery.name == file]
    return ingest.parse(
        delivery,
        source=source,
        expected=ingest.Expected(required, types=dict.fromkeys({*required} & {"tailnum"}, "string")),
        ingested_at=NOW,
        run_id="run",
        into=into,
    )


def column(path: Path, name: str) -> list[str | None]:
    values: list[str | None] = parquet.read_table(path)[name].to_pylist()
    return values


@pytest.mark.parametrize(("case", "file"), bad_files("REJECT_FILE", "HOLD"))
def test_bad_deliveries_are_refused_with_their_reason(tmp_path: Path, case: str, file: str) -> None:
    with pytest.raises(DeliveryRefusedError) as refused:
        load_bad(case, file, into=tmp_path / "rows")
    assert refused.value.reason == BAD[case]["reason"]
    assert refused.value.verdict == ("held" if BAD[case]["verdict"] == "HOLD" else "refused")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("case", "file"), bad_files("ACCEPT", "ACCEPT_WITH_DRIFT", "QUARANTINE_ROWS", "NO_OP"))
def test_deliveries_with_flaws_keep_all_their_records(tmp_path: Path, case: str, file: str) -> None:
    expected = BAD[case]
    parsed = load_bad(case, file, into=tmp_path / "rows")
    assert parsed.rows == expected["rows_in_file"] / (
        len(expected["files"]) if expected["reason"] == "OUT_OF_ORDER" else 1
    )
    assert parsed.corrupt_rows == (expected["rows_quarantined"] if expected["reason"] in CORRUPT_IN_PLACE else 0)
    assert parsed.drift == (("cancel_code",) if expected["verdict"] == "ACCEPT_WITH_DRIFT" else parsed.drift)
    corrupt = column(tmp_path / "rows", "_corrupt_record")
    assert all(text.startswith(expected["reason"]) for text in corrupt if text)


def test_an_empty_fleet_is_held(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefusedError) as refused:
        load_bad("mass_delete_all", "fleet_2013-04-01.sqlite", into=tmp_path / "rows")
    assert (refused.value.verdict, refused.value.reason) == ("held", "NO_ROWS")


@pytest.mark.parametrize(("case", "line_end"), [("utf8_bom", "\n"), ("crlf", "\r\n")])
def test_marks_and_line_ends_are_no_part_of_values(tmp_path: Path, case: str, line_end: str) -> None:
    parsed = load_bad(case, "flights_2013-01-03.csv", into=tmp_path / "rows")
    assert parsed.columns == tuple(IN_FLIGHTS)
    assert all(hour and hour.endswith("Z") for hour in column(tmp_path / "rows", "time_hour"))
    assert line_end.encode() in (DATA / "bad" / case / "flights_2013-01-03.csv").read_bytes()


def test_long_values_and_line_breaks_are_kept_whole(tmp_path: Path) -> None:
    load_bad("very_long_line", "flights_2013-01-03.csv.gz", into=tmp_path / "long")
    load_bad("quoted_newline", "flights_2013-01-03.csv", into=tmp_path / "broken")
    assert max(len(tail or "") for tail in column(tmp_path / "long", "tailnum")) == 1_000_001
    assert any("\n" in (tail or "") for tail in column(tmp_path / "broken", "tailnum"))


@pytest.mark.parametrize("kind", LANDING_SOURCES)
def test_landing_has_the_rows_of_its_manifest(tmp_path: Path, kind: str) -> None:
    source = LANDING_SOURCES[kind]
    with (DATA / "manifest.csv").open() as file:
        manifest = {row["path"].removeprefix("landing/"): row for row in csv.DictReader(file)}
    deliveries = ingest.find_deliveries(source, landing=UPath(DATA / "landing"), interval=ALWAYS)
    assert {d.name for d in deliveries} == {name for name, row in manifest.items() if row["kind"] == kind}
    for delivery in deliveries:
        parsed = ingest.parse(
            delivery, source=source, expected=ingest.Expected(), ingested_at=NOW, run_id="run", into=tmp_path / "rows"
        )
        listed = manifest[delivery.name]
        assert (str(parsed.rows), delivery.sha256) == (listed["rows"] or NOT_LISTED[kind], listed["sha256"])


def test_flights_are_what_python_reads(tmp_path: Path) -> None:
    (delivery,) = ingest.find_deliveries(
        LANDING_SOURCES["flights"], landing=UPath(DATA / "landing"), interval=Interval.parse("2013-02-08", "2013-02-08")
    )
    ingest.parse(
        delivery,
        source=LANDING_SOURCES["flights"],
        expected=ingest.Expected(IN_FLIGHTS),
        ingested_at=NOW,
        run_id="run",
        into=tmp_path / "rows",
    )
    delivered = gzip.decompress(delivery.path.read_bytes()).decode().splitlines()
    expected = [{name: value or None for name, value in row.items()} for row in csv.DictReader(delivered)]
    assert parquet.read_table(tmp_path / "rows").select(IN_FLIGHTS).to_pylist() == expected


def test_malformed_events_are_kept_with_their_text(tmp_path: Path) -> None:
    source = LANDING_SOURCES["events"]
    codes: Counter[str] = Counter()
    for delivery in ingest.find_deliveries(source, landing=UPath(DATA / "landing"), interval=ALWAYS):
        ingest.parse(
            delivery, source=source, expected=ingest.Expected(), ingested_at=NOW, run_id="run", into=tmp_path / "rows"
        )
        codes.update(text.partition(":")[0] for text in column(tmp_path / "rows", "_corrupt_record") if text)
    assert codes == {"JSON_SYNTAX": 80}
