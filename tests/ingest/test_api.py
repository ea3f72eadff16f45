import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from pyarrow import parquet
from upath import UPath

from lakelib import ingest
from lakelib.errors import DataError, SourceAwayError, UsageError
from lakelib.ingest.api import Api
from lakelib.ingest.fetching import fetch_deliveries
from lakelib.ingest.pagination import Pagination
from lakelib.ingest.patience import Patience
from lakelib.intervals import Interval
from tests.ingest.delivering import NOW, TODAY
from tests.ingest.servers import Fault, Reply, Shop, open_shop

PATTERN = "shop/orders_{date}.zip"
BY_CURSOR = ingest.ByCursor("cursor", "next")
IN_A_HURRY = Patience(attempts=3, backoff_seconds=0.01, longest_wait_seconds=2, timeout_seconds=0.3)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def orders(
    shop: Shop,
    *,
    pages: Pagination = BY_CURSOR,
    parameters: dict[str, str | int] | None = None,
    credentials: ingest.Credentials | None = None,
    patience: Patience = IN_A_HURRY,
) -> ingest.Source:
    source = ingest.api(
        PATTERN, url=shop.url, records="data.items", pages=pages, parameters=parameters, credentials=credentials
    )
    assert isinstance(source.fetcher, Api)
    return replace(source, fetcher=replace(source.fetcher, patience=patience))


def fetch(source: ingest.Source, landing: Path, *, start: date = TODAY, end: date = TODAY) -> list[str]:
    """The names in the source's folder afterwards."""
    fetch_deliveries(source, landing=UPath(landing), interval=Interval(start, end))
    return sorted(path.name for path in (landing / "shop").iterdir() if path.name != ".fetching.lock")


def ids(source: ingest.Source, landing: Path) -> list[int]:
    """The orders of today's delivery, through the parser."""
    (delivery,) = ingest.find_deliveries(source, landing=UPath(landing), interval=Interval(TODAY, TODAY))
    into = landing / "rows.parquet"
    ingest.parse(delivery, source=source, expected=ingest.Expected(["id"]), ingested_at=NOW, run_id="run", into=into)
    rows = parquet.read_table(into)
    assert rows["_source_row"].to_pylist() == [*range(1, rows.num_rows + 1)]
    return [int(text) for text in rows["id"].to_pylist()]


def status(code: int, **headers: str) -> Fault:
    return lambda reply: Reply(b"{}", code, {name.replace("_", "-"): value for name, value in headers.items()})


def cut(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[:-5])


def cut_off(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[:-5], promised=len(reply.body))


def slow(reply: Reply) -> Reply:
    time.sleep(0.5)
    return reply


def silent(_: Reply) -> None:
    return None


def error_with_status_200(_: Reply) -> Reply:
    return Reply(b'{"error": "try again"}')


@pytest.mark.parametrize(
    "pages",
    [BY_CURSOR, ingest.ByLink(), ingest.ByPage("page", size={"per_page": 3})],
    ids=lambda each: type(each).__name__,
)
def test_all_pages_become_one_delivery(tmp_path: Path, shop: Shop, pages: Pagination) -> None:
    source = orders(shop, pages=pages)
    assert fetch(source, tmp_path) == [f"orders_{TODAY}.zip"]
    assert ids(source, tmp_path) == [*range(7)]


def test_pages_are_kept_as_they_came_and_not_asked_for_again(tmp_path: Path, shop: Shop) -> None:
    fetch(orders(shop), tmp_path)
    with zipfile.ZipFile(tmp_path / f"shop/orders_{TODAY}.zip") as archive:
        assert archive.read("000002.json") == shop.reply({"cursor": "3"}, "").body
    shop.orders.clear()
    asked = len(shop.asked)
    fetch(orders(shop), tmp_path)
    assert len(shop.asked) == asked


def test_equal_pages_give_equal_bytes(tmp_path: Path, shop: Shop) -> None:
    for folder in ("a", "b"):
        fetch(orders(shop), tmp_path / folder)
    first, second = (tmp_path / folder / f"shop/orders_{TODAY}.zip" for folder in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def garbled(reply: Reply) -> Reply:
    return replace(reply, headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    "faults",
    [
        [None, status(500), status(503)],
        [None, status(429, Retry_After="0")],
        [cut, cut_off],
        [slow],
        [silent],
        [garbled],
        [None, None, error_with_status_200],
    ],
    ids=["5xx", "429", "truncated", "slow", "silent", "garbled", "error with status 200"],
)
def test_what_passes_is_borne(tmp_path: Path, shop: Shop, faults: list[Fault | None]) -> None:
    shop.faults = faults
    source = orders(shop)
    fetch(source, tmp_path)
    assert ids(source, tmp_path) == [*range(7)]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_names_the_time_is_obeyed(tmp_path: Path, shop: Shop, form: str) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    shop.faults = [status(429, Retry_After="1" if form == "seconds" else at)]
    started = time.monotonic()
    fetch(orders(shop), tmp_path)
    assert time.monotonic() - started >= 0.9


def test_a_server_that_wants_too_much_time_is_left(tmp_path: Path, shop: Shop) -> None:
    shop.faults = [status(429, Retry_After="3600")]
    with pytest.raises(SourceAwayError, match="1 times; the last time: status 429"):
        fetch(orders(shop), tmp_path)


@pytest.mark.parametrize("pages", [BY_CURSOR, ingest.ByPage()], ids=lambda each: type(each).__name__)
def test_a_failure_in_page_two_is_gone_on_with_there(tmp_path: Path, shop: Shop, pages: Pagination) -> None:
    shop.faults = [None, *[status(500)] * 3]
    source = orders(shop, pages=pages)
    with pytest.raises(DataError, match="status 500"):
        fetch(source, tmp_path)
    assert [path.name for path in (tmp_path / "shop").iterdir() if not path.name.startswith(".")] == []
    asked = len(shop.asked)
    assert fetch(source, tmp_path) == [f"orders_{TODAY}.zip"]
    assert shop.asked[asked] == shop.asked[1]
    assert ids(source, tmp_path) == [*range(7)]


def test_pages_of_another_request_are_not_gone_on_with(tmp_path: Path, shop: Shop) -> None:
    shop.faults = [None, *[status(500)] * 3]
    with pytest.raises(DataError):
        fetch(orders(shop), tmp_path)
    shop.orders[:3] = [{"id": 10 + n} for n in range(3)]
    source = orders(shop, parameters={"state": "open"})
    fetch(source, tmp_path)
    assert ids(source, tmp_path)[:3] == [10, 11, 12]


def test_a_page_that_comes_again_is_not_taken_twice(tmp_path: Path, shop: Shop) -> None:
    stale = shop.reply({}, "/orders")
    shop.faults = [None, lambda reply: stale]
    source = orders(shop)
    fetch(source, tmp_path)
    assert ids(source, tmp_path) == [*range(7)]
    shop.faults = [None, *[lambda reply: stale] * 3]
    with pytest.raises(DataError, match="the same page as before"):
        fetch(source, tmp_path / "again")


def test_a_page_size_that_changes_on_the_way_is_refused(tmp_path: Path, shop: Shop) -> None:
    def smaller(reply: Reply) -> Reply:
        shop.size = 2
        return shop.reply({"page": "2"}, "/orders")

    shop.faults = [None, smaller]
    source = orders(shop, pages=ingest.ByPage())
    with pytest.raises(DataError, match="Pages of 3 records were expected; found 2"):
        fetch(source, tmp_path)
    fetch(source, tmp_path)
    assert ids(source, tmp_path) == [*range(7)]


def test_pages_with_numbers_end_where_nothing_is_found(tmp_path: Path, shop: Shop) -> None:
    shop.faults = [None, None, None, status(404)]
    source = orders(shop, pages=ingest.ByPage())
    fetch(source, tmp_path)
    assert ids(source, tmp_path) == [*range(7)]
    shop.faults = [status(404)]
    with pytest.raises(DataError, match="nothing is found there"):
        fetch(source, tmp_path / "again")


def test_a_source_with_history_is_asked_for_each_day(tmp_path: Path, shop: Shop) -> None:
    source = orders(shop, parameters={"from": "{date}", "to": "{next_date}"})
    assert fetch(source, tmp_path, start=date(2013, 1, 30), end=date(2013, 1, 31)) == [
        "orders_2013-01-30.zip",
        "orders_2013-01-31.zip",
    ]
    assert {(each["from"], each["to"]) for each in shop.asked} == {
        ("2013-01-30", "2013-01-31"),
        ("2013-01-31", "2013-02-01"),
    }


def test_credentials_travel_in_headers_and_show_nowhere(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t0ken")
    shop.faults = [lambda reply: Reply(b"no t0ken", 403)]
    credentials = ingest.Credentials(bearer="env:SHOP_TOKEN", headers={"X-Key": "env:SHOP_TOKEN"})
    with pytest.raises(DataError, match="answers 403: no …") as refused:
        fetch(orders(shop, credentials=credentials), tmp_path)
    assert (shop.headers[0]["Authorization"], shop.headers[0]["X-Key"]) == ("Bearer t0ken", "t0ken")
    assert "t0ken" not in str(refused.value)


def test_credentials_go_to_one_server(tmp_path: Path, shop: Shop) -> None:
    shop.faults = [lambda reply: replace(reply, headers={"Link": '<http://elsewhere/orders>; rel="next"'})]
    with pytest.raises(DataError, match="leads to http://elsewhere"):
        fetch(orders(shop, pages=ingest.ByLink()), tmp_path)


def test_a_path_to_the_next_page_that_leads_nowhere_is_told(tmp_path: Path, shop: Shop) -> None:
    with pytest.raises(DataError, match="meta.next"):
        fetch(orders(shop, pages=ingest.ByCursor("cursor", "meta.next")), tmp_path)


def test_requests_keep_their_distance(tmp_path: Path, shop: Shop) -> None:
    started = time.monotonic()
    fetch(orders(shop, patience=replace(IN_A_HURRY, least_seconds_between=0.2)), tmp_path)
    assert time.monotonic() - started >= 0.4


def test_a_secret_is_not_taken_for_its_reference() -> None:
    with pytest.raises(UsageError) as refused:
        ingest.Credentials(bearer="t0ken")
    assert "t0ken" not in str(refused.value)
