"""The broken drops of data/bad: each ends with its documented verdict, on a lake that holds the good drops before."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakelib import ingest, start, tables
from lakelib.errors import DeliveryRefusedError
from tests.engines import embedded
from tests.line.conftest import Line, NewLine

# Deliveries are judged before an engine sees a row, and the rules are tested on both engines.
pytestmark = embedded

BAD = Path(__file__).parents[2] / "data" / "bad"
EXPECTED = json.loads((BAD / "expected.json").read_text())
AIRPORTS = "airports/airports_2013-01-01.json.gz"


@dataclass(frozen=True)
class Good:
    """What a kind of case finds: the drops before it, loaded into the bronze and silver tables of these names."""

    tables: tuple[str, ...]
    drops: tuple[str, ...] = ()
    days: tuple[str, str] = ("2013-01-01", "2013-01-02")

    @property
    def notebooks(self) -> list[str]:
        return [f"{layer}.{table}" for layer in ("bronze", "silver") for table in self.tables]


GOOD = {
    "flights": Good(("airports", "flights"), (AIRPORTS, *(f"flights/flights_2013-01-0{day}.csv.gz" for day in (1, 2)))),
    "older_after_newer": Good(("airports", "flights"), (AIRPORTS,)),
    "airports": Good(("airports",), (AIRPORTS,)),
    "airlines.xml": Good(("carriers",), ("carriers/airlines.xml",)),
    "weather": Good(("weather",)),
    "fleet": Good(
        ("planes",),
        tuple(f"planes/fleet_2013-0{month}-01.sqlite" for month in (1, 2, 3)),
        ("2013-01-01", "2013-03-31"),
    ),
}
LineBefore = Callable[[str], Line]


def kind(case: str) -> str:
    return case if case in GOOD else EXPECTED[case]["files"][0].split("/")[-1].split("_")[0]


def files(case: str) -> list[Path]:
    return [BAD / case / name for name in EXPECTED[case]["files"]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lakes with their good drops, a folder each: made once, and copied for each case."""
    return tmp_path_factory.mktemp("before")


@pytest.fixture
def line_before(new_line: NewLine, kept: Path) -> LineBefore:
    def made(case: str) -> Line:
        line, good, before = new_line(), GOOD[kind(case)], kept / kind(case)
        if before.exists():
            shutil.copytree(before, line.project, dirs_exist_ok=True)
            return line
        line.deliver(*good.drops)
        if good.drops:
            line.run(*good.days, only=good.notebooks if kind(case) != "older_after_newer" else good.notebooks[::2])
        for folder in ("landing", ".lake"):
            if (line.project / folder).exists():
                shutil.copytree(line.project / folder, before / folder)
        return line

    return made


def without_run(rows: list[dict[str, object]]) -> list[str]:
    dropped = ("_run_id", "_updated_at")
    return sorted(str({key: value for key, value in row.items() if key not in dropped}) for row in rows)


def arrive(line: Line, case: str, file: Path) -> None:
    """Each drop is loaded by a run of its own, as they come one after the other."""
    found = re.search(r"\d{4}-\d{2}-\d{2}", file.name)
    day = found[0] if found else "2013-01-03"
    line.deliver(file)
    for notebook in (f"{layer}.{GOOD[kind(case)].tables[-1]}" for layer in ("bronze", "silver")):
        with suppress(DeliveryRefusedError):
            line.run(day, only=[notebook])
    if file.suffix == ".zip":  # the demonstration's own pattern has no archives
        run = start("bronze.flights", start_date=day, end_date=day)
        with suppress(DeliveryRefusedError):
            tables.load(ingest.csv("flights/flights_{date}.zip"), run.contract, delivered=run.interval)


def verdict(entries: list[dict[str, object]], quarantined: list[dict[str, object]]) -> tuple[str, set[str]]:
    """In the words of data/bad, with the reasons that were recorded."""
    verdicts = {entry["verdict"]: {str(entry["reason"])} for entry in entries}
    for found, word in (("refused", "REJECT_FILE"), ("held", "HOLD")):
        if found in verdicts:
            return word, verdicts[found]
    if quarantined:
        return "QUARANTINE_ROWS", {str(rule).upper() for row in quarantined for rule in row["rules"]}
    if any(entry["drift"] for entry in entries):
        return "ACCEPT_WITH_DRIFT", {"SCHEMA_NEW_COLUMN"}
    if "known" in verdicts:
        return "NO_OP", verdicts["known"]
    return "ACCEPT", {"BOM", "CRLF", "OUT_OF_ORDER"}


@pytest.mark.parametrize("case", EXPECTED)
def test_a_case_ends_with_its_documented_verdict(line_before: LineBefore, case: str) -> None:
    told, table = EXPECTED[case], GOOD[kind(case)].tables[-1]
    line = line_before(case)
    before = {name: line.read(name) for name in (f"bronze.{table}", f"silver.{table}", "bronze._manifest")}
    for file in files(case):
        arrive(line, case, file)
    after = {name: line.read(name) for name in before}
    paths = {row["path"] for row in before["bronze._manifest"]}
    entries = [row for row in after["bronze._manifest"] if row["path"] not in paths]
    quarantined = line.read(f"quarantine.silver__{table}")
    word, reasons = verdict(entries, quarantined)
    assert (word, told["reason"] in reasons) == (told["verdict"], True), reasons
    assert len(after[f"silver.{table}"]) - len(before[f"silver.{table}"]) == told.get("rows_loaded", 0)
    assert len(quarantined) == told.get("rows_quarantined", 0)
    assert all(row["_source_file"] and row["_source_row"] and len(str(row["row"])) < 4000 for row in quarantined)
    if word in ("REJECT_FILE", "HOLD"):
        for name in (f"bronze.{table}", f"silver.{table}"):
            assert without_run(after[name]) == without_run(before[name])


def test_a_new_column_is_kept_in_bronze(line_before: LineBefore) -> None:
    line = line_before("extra_column")
    arrive(line, "extra_column", *files("extra_column"))
    [new] = {column for row in line.read("bronze._manifest") for column in row["drift"]}
    held = [row[new] for row in line.read("bronze.flights") if str(row["_delivered_on"]) == "2013-01-03"]
    assert len(held) == 20
    assert None not in held


def test_a_repaired_file_loads_after_the_broken_one(line_before: LineBefore) -> None:
    line = line_before("truncated_gzip")
    arrive(line, "truncated_gzip", *files("truncated_gzip"))
    line.deliver("flights/flights_2013-01-03.csv.gz")
    for broken in (line.project / "landing").rglob("truncated_gzip/*"):
        broken.unlink()
    line.run("2013-01-03", only=["bronze.flights"])
    assert sum(str(row["_delivered_on"]) == "2013-01-03" for row in line.read("bronze.flights")) == 989


def test_a_broken_file_among_good_ones_stops_only_itself(line_before: LineBefore) -> None:
    line = line_before("older_after_newer")
    line.deliver("flights/flights_2013-01-01.csv.gz", "flights/flights_2013-01-02.csv.gz", *files("semicolon"))
    with pytest.raises(DeliveryRefusedError, match="1 of 3 deliveries"):
        line.run("2013-01-01", "2013-01-03", only=["bronze.flights"])
    assert len(line.read("bronze.flights")) == 842 + 1023
