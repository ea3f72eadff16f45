import hashlib
import os
from datetime import date
from pathlib import Path

import pytest
from upath import UPath

from lakelib import ingest
from lakelib.errors import DataError, UsageError
from lakelib.ingest.deliveries import count_deliveries, other_files
from lakelib.intervals import Interval
from tests.unprivileged import as_anybody

DAYS = Interval.parse("2013-01-01", "2013-01-03")
FLIGHTS = ingest.csv("flights/flights_{date}.csv")


def arrive(landing: Path, *names: str) -> None:
    """Files in the order of their names here, a second apart."""
    for second, name in enumerate(names):
        path = landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.utime(path, (second, second))


def names(source: ingest.Source, landing: Path, *, interval: Interval = DAYS) -> list[str]:
    return [found.name for found in ingest.find_deliveries(source, landing=UPath(landing), interval=interval)]


def test_the_date_in_the_name_decides_then_the_time_of_arrival(tmp_path: Path) -> None:
    arrive(
        tmp_path,
        "flights/flights_2013-01-03.csv",
        "flights/flights_2013-01-01.csv.gz",
        "flights/again/flights_2013-01-01.csv",
        "flights/flights_2013-01-04.csv",
    )
    assert names(FLIGHTS, tmp_path) == [
        "flights/flights_2013-01-01.csv.gz",
        "flights/again/flights_2013-01-01.csv",
        "flights/flights_2013-01-03.csv",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "flights/.flights_2013-01-01.csv",
        "flights/_flights_2013-01-01.csv",
        "flights/_temporary/flights_2013-01-01.csv",
        "flights/flights_2013-01-01.csv.tmp",
        "flights/flights_2013-01-01.csv.gz.part",
        "flights/flights_2013-02-30.csv",
        "flights/flights_2013-01-01xcsv",
        "flights/old_flights_2013-01-01.csv",
        "other/flights_2013-01-01.csv",
        "flights/flights_2013-01-01.csv/file",
    ],
)
def test_other_names_are_no_deliveries(tmp_path: Path, name: str) -> None:
    arrive(tmp_path, "flights/flights_2013-01-02.csv", name)
    assert names(FLIGHTS, tmp_path) == ["flights/flights_2013-01-02.csv"]


def test_a_source_right_in_landing_knows_no_other_files(tmp_path: Path) -> None:
    arrive(tmp_path, "flights_2013-01-02.csv", "others/a.csv")
    source = ingest.csv("flights_{date}.csv")
    assert (count_deliveries(source, landing=UPath(tmp_path)), other_files(source, landing=UPath(tmp_path))) == (1, [])


def test_undated_files_belong_to_every_interval(tmp_path: Path) -> None:
    arrive(tmp_path, "carriers/airlines.xml")
    source = ingest.xml("carriers/airlines.xml", row="airline")
    (standing,) = ingest.find_deliveries(source, landing=UPath(tmp_path), interval=DAYS)
    assert standing.delivered_on is None
    assert names(source, tmp_path, interval=Interval.parse("1999-01-01", "1999-01-01")) == [standing.name]


@pytest.mark.parametrize(
    ("pattern", "name", "count"),
    [
        ("sales/store_*_{date}.csv", "sales/store_7_2013-01-02.csv", 1),
        ("sales/store_*_{date}.csv", "sales/store_2013-01-02.csv", 0),
        ("sales/*_{date:%Y%m%d}.csv", "sales/a_20130102.csv.zip", 1),
        ("sales/*_{date:%Y%m%d}.csv", "sales/a_2013-01-02.csv", 0),
        ("sales/{date:%Y-%m}.csv", "sales/2013-01.csv.gz", 1),
        ("sales/*.csv", "sales/deep/anything.csv", 1),
    ],
)
def test_a_pattern_may_leave_characters_open_and_write_dates_otherwise(
    tmp_path: Path, pattern: str, name: str, count: int
) -> None:
    arrive(tmp_path, name)
    assert names(ingest.csv(pattern), tmp_path) == [name] * count


def test_a_delivery_carries_its_size_and_hash(tmp_path: Path) -> None:
    arrive(tmp_path, "flights/flights_2013-01-02.csv.gz")
    (found,) = ingest.find_deliveries(FLIGHTS, landing=UPath(tmp_path), interval=DAYS)
    content = b"flights/flights_2013-01-02.csv.gz"
    assert (found.size_bytes, found.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert found.delivered_on == date(2013, 1, 2)


@pytest.mark.parametrize("landing", ["", "nowhere"])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, landing: str) -> None:
    arrive(tmp_path, "carriers/airlines.xml")
    with pytest.raises(DataError, match="there is no such folder"):
        names(FLIGHTS, tmp_path / landing)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "/etc/passwd",
        "../x.csv",
        "{date}/x.csv",
        "x_{date}_{date}.csv",
        "x*/{date}.csv",
        "x?.csv",
        "x_{day}.csv",
        "x_{date:%H}.csv",
    ],
)
def test_patterns_name_files_below_the_landing_folder(pattern: str) -> None:
    with pytest.raises(UsageError):
        ingest.csv(pattern)


def test_a_landing_folder_may_be_told_as_a_uri(tmp_path: Path) -> None:
    arrive(tmp_path, "flights/flights_2013-01-01.csv", "flights/late/flights_2013-01-02.csv")
    found = ingest.find_deliveries(FLIGHTS, landing=UPath(tmp_path.as_uri()), interval=DAYS)
    assert [each.name for each in found] == ["flights/flights_2013-01-01.csv", "flights/late/flights_2013-01-02.csv"]


def test_a_folder_that_may_not_be_listed_is_told_and_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    arrive(tmp_path, "flights/flights_2013-01-01.csv", "flights/late/flights_2013-01-02.csv", "flights/.own/x.csv")
    (tmp_path / "flights/.own").chmod(0)
    with as_anybody():
        assert len(names(FLIGHTS, tmp_path)) == 2
    (tmp_path / "flights/late").chmod(0)
    with as_anybody(), pytest.raises(DataError, match=r"flights/late; this folder may not be listed") as told:
        names(FLIGHTS, tmp_path)
    assert "chmod" in told.value.hint


def test_folders_behind_links_are_searched_once(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    arrive(elsewhere, "flights_2013-01-02.csv")
    landing = tmp_path / "landing"
    arrive(landing, "flights/flights_2013-01-01.csv")
    (landing / "flights" / "old").symlink_to(elsewhere)
    (landing / "flights" / "round").symlink_to(landing / "flights")
    assert names(FLIGHTS, landing) == ["flights/flights_2013-01-01.csv", "flights/old/flights_2013-01-02.csv"]


def test_a_link_that_leads_nowhere_is_an_unreadable_delivery(tmp_path: Path) -> None:
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights" / "flights_2013-01-01.csv").symlink_to("gone")
    (found,) = ingest.find_deliveries(FLIGHTS, landing=UPath(tmp_path), interval=DAYS)
    assert found.unreadable == "No such file or directory"
