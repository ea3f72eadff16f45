import os
import shutil
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from deltalake import DeltaTable

from lakelib import context, events, ingest, tables
from lakelib.errors import DeliveryRefusedError, RuleError, UsageError
from lakelib.names import TableName
from lakelib.tables import loading
from lakelib.tables.evidence import verify
from lakelib.tables.manifest import Entry
from lakelib.tables.refusing import raise_for_refused
from tests.engines import embedded
from tests.unprivileged import as_anybody

PRICES = ingest.csv("prices/prices_{date}.csv")
AT = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture
def prices(lake):
    lake.contract(
        "bronze.prices", {"name": "item", "physicalType": "string"}, {"name": "price", "physicalType": "string"}
    )
    (lake.project / "landing" / "prices").mkdir()
    return lake


def deliver(lake, text, day="2013-01-01", folder=""):
    path = lake.project / "landing" / "prices" / folder / f"prices_{day}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def load(lake, day="2013-01-01", end=None, at=None):
    run = lake.start("bronze.prices", day, end)
    context.current().started_at = at or context.current().started_at
    tables.load(PRICES, run.contract, delivered=run.interval)
    return lake.last(events.Published)


def test_rows_are_kept_as_text_with_where_they_came_from(prices):
    deliver(prices, "item,price\nham,1.50\negg,\n")
    load(prices)
    columns = ("item", "price", "_source_file", "_source_row", "_delivered_on", "_corrupt_record")
    assert prices.rows("bronze.prices", *columns) == [
        ("egg", None, "prices/prices_2013-01-01.csv", 2, date(2013, 1, 1), None),
        ("ham", "1.50", "prices/prices_2013-01-01.csv", 1, date(2013, 1, 1), None),
    ]


@embedded
def test_what_a_broken_rule_stopped_is_loaded_by_the_same_run_once_it_is_kept(lake):
    more = {"type": "library", "metric": "rowCount", "mustBeGreaterThan": 1}
    lake.contract("bronze.prices", {"name": "item", "physicalType": "string"}, quality=[more])
    (lake.project / "landing" / "prices").mkdir()
    run = lake.start("bronze.prices")
    deliver(lake, "item\nham\n")
    with pytest.raises(RuleError, match="row_count: 1 rows"):
        tables.load(PRICES, run.contract, delivered=run.interval)
    deliver(lake, "item\negg\n", folder="more")
    tables.load(PRICES, run.contract, delivered=run.interval)
    assert lake.rows("bronze.prices", "item") == [("egg",), ("ham",)]


@embedded
def test_of_one_day_s_deliveries_the_file_that_was_written_last_is_the_newest(prices):
    for written, folder in enumerate(("b", "a", "c")):
        deliver(prices, f"item,price\nham,{written}\n", folder=folder)
        os.utime(prices.project / "landing" / "prices" / folder / "prices_2013-01-01.csv", (written, written))
    load(prices)
    newest_last = sorted(prices.rows("bronze.prices", "_ingested_at", "price"))
    assert [price for _, price in newest_last] == ["0", "1", "2"]
    assert len({at for at, _ in newest_last}) == 3


def test_the_same_bytes_for_the_same_date_under_any_name_change_nothing(prices):
    deliver(prices, "item,price\nham,1.50\n")
    load(prices)
    deliver(prices, "item,price\nham,1.50\n", folder="again")
    assert not load(prices).is_committed
    manifest = prices.rows("bronze._manifest", "path", "verdict", "rows")
    assert manifest == [
        ("prices/again/prices_2013-01-01.csv", "known", 0),
        ("prices/prices_2013-01-01.csv", "loaded", 1),
    ]


@embedded
@pytest.mark.parametrize("order", [["01", "02", "03"], ["03", "02", "01"], ["02", "03", "01"]])
def test_the_same_bytes_for_another_date_are_another_delivery_whichever_comes_first(prices, order):
    for day, price in {"01": "1.50", "02": "1.60", "03": "1.50"}.items():
        deliver(prices, f"item,price\nham,{price}\n", f"2013-01-{day}")
    for day in order:
        load(prices, f"2013-01-{day}")
    assert not load(prices, "2013-01-01", "2013-01-03").is_committed
    held = [(day.day, price) for day, price in prices.rows("bronze.prices", "_delivered_on", "price")]
    assert held == [(1, "1.50"), (2, "1.60"), (3, "1.50")]


def test_a_load_that_was_killed_before_it_was_recorded_is_repeated_in_its_place(prices):
    deliver(prices, "item,price\nham,1.50\n")
    deliver(prices, "item,price\nham,1.50\n", "2013-01-02")
    load(prices)
    load(prices, "2013-01-02")
    shutil.rmtree(prices.project / ".lake" / "warehouse" / "bronze" / "_manifest")
    load(prices)
    assert [day.day for (day,) in prices.rows("bronze.prices", "_delivered_on")] == [1, 2]
    assert [day.day for (day,) in prices.rows("bronze._manifest", "delivered_on")] == [1]


@embedded
def test_files_whose_names_do_not_fit_are_told_and_change_nothing(prices):
    deliver(prices, "item,price\nham,1.50\n")
    for name in ("price_2013-01-01.csv", "prices_2013-02-30.csv", "prices_2013-01-02.csv.tmp", "_README"):
        (prices.project / "landing" / "prices" / name).write_text("item,price\n")
    run = prices.start("bronze.prices")
    tables.load(PRICES, run.contract, delivered=run.interval)
    assert len(prices.rows("bronze.prices")) == 1
    told = "names do not fit prices/prices_{date}.csv: prices/price_2013-01-01.csv, prices/prices_2013-02-30.csv"
    assert ("files ignored", told) in run.summary().lines()


@embedded
def test_changed_bytes_under_an_old_name_are_a_new_delivery(prices):
    deliver(prices, "item,price\nham,1.50\n")
    load(prices)
    deliver(prices, "item,price\nham,1.60\n")
    load(prices)
    assert prices.rows("bronze.prices", "price") == [("1.50",), ("1.60",)]
    assert [row[0] for row in prices.rows("bronze._manifest", "verdict")] == ["loaded", "loaded"]


@embedded
def test_bytes_that_come_back_under_their_name_are_the_newest_again(prices):
    for price in ("1.50", "1.60", "1.50"):
        deliver(prices, f"item,price\nham,{price}\n")
        assert load(prices).is_committed
    assert not load(prices).is_committed
    held = sorted(prices.rows("bronze.prices", "_ingested_at", "price"))
    assert [price for _, price in held] == ["1.60", "1.50"]
    assert prices.rows("bronze._manifest", "verdict") == [("loaded",), ("loaded",)]
    assert [proof.problems for proof in verify(TableName.parse("bronze.prices"))] == [(), ()]


@embedded
def test_a_copy_of_earlier_bytes_is_not_the_newest(prices):
    deliver(prices, "item,price\nham,1.50\n")
    load(prices)
    deliver(prices, "item,price\nham,1.60\n", folder="restated")
    load(prices)
    deliver(prices, "item,price\nham,1.50\n", folder="again")
    assert not load(prices).is_committed
    held = sorted(prices.rows("bronze.prices", "_ingested_at", "price"))
    assert [price for _, price in held] == ["1.50", "1.60"]


ROUNDS = {
    # a copy of what an earlier name had takes the place of a later one
    "copied": ({"": "1.50"}, {"restated": "1.60"}, {"restated": "1.50"}),
    "swapped": ({"": "1.50", "restated": "1.60"}, {"": "1.60", "restated": "1.50"}, {"": "1.50", "restated": "1.60"}),
}


@embedded
@pytest.mark.parametrize("rounds", ROUNDS.values(), ids=ROUNDS)
@pytest.mark.parametrize("hours", [1, -1], ids=["clock_goes_on", "clock_is_set_back"])
def test_bytes_that_move_between_names_change_nothing_however_often_they_are_loaded(prices, rounds, hours):
    for number, files in enumerate(rounds):
        for folder, price in files.items():
            deliver(prices, f"item,price\nham,{price}\n", folder=folder)
        load(prices, at=AT + number * timedelta(hours=hours))
    for _ in range(3):
        assert not load(prices, at=AT + 3 * timedelta(hours=hours)).is_committed
    assert [price for _, price in sorted(prices.rows("bronze.prices", "_ingested_at", "price"))] == ["1.50", "1.60"]


@embedded
def test_what_is_loaded_later_is_the_newer_though_the_clock_is_set_back(prices):
    for number, price in enumerate(["1.50", "1.60", "1.50", "1.60"]):
        deliver(prices, f"item,price\nham,{price}\n")
        assert load(prices, at=AT - number * timedelta(hours=1)).is_committed
        for _ in range(3):
            assert not load(prices, at=AT - timedelta(days=1)).is_committed
        assert max(prices.rows("bronze.prices", "_ingested_at", "price"))[1] == price


@embedded
def test_bytes_that_come_back_under_two_names_are_loaded_once(prices):
    for price in ("1.50", "1.60", "1.50"):
        for folder in ("", "copy"):
            deliver(prices, f"item,price\nham,{price}\n", folder=folder)
        load(prices)
    assert sorted(prices.rows("bronze.prices", "price")) == [("1.50",), ("1.60",)]


@embedded
def test_only_deliveries_of_the_interval_are_loaded(prices):
    for day in ("2013-01-01", "2013-01-02", "2013-01-03"):
        deliver(prices, f"item,price\nham,{day}\n", day)
    load(prices, "2013-01-02", "2013-01-03")
    assert prices.rows("bronze.prices", "price") == [("2013-01-02",), ("2013-01-03",)]


def test_a_restored_table_loads_again_what_it_lost(prices):
    for day in ("2013-01-01", "2013-01-02"):
        deliver(prices, f"item,price\nham,{day}\n", day)
        version = load(prices, day).version
    tables.restore("bronze.prices", version=version - 1)
    load(prices, "2013-01-01", "2013-01-02")
    assert prices.rows("bronze.prices", "price") == [("2013-01-01",), ("2013-01-02",)]


@embedded
def test_the_table_is_not_asked_for_what_delta_s_log_tells(prices, monkeypatch):
    for day in ("2013-01-01", "2013-01-02"):
        deliver(prices, f"item,price\nham,{day}\n", day)
    load(prices, "2013-01-01", "2013-01-02")
    monkeypatch.delattr(loading, "_asked")
    deliver(prices, "item,price\nham,1.50\n", "2013-01-03")
    assert load(prices, "2013-01-01", "2013-01-03").inserted == 1
    assert not load(prices, "2013-01-01", "2013-01-03").is_committed


@embedded
def test_a_compacted_table_holds_what_it_held(prices):
    for day in ("2013-01-01", "2013-01-02"):
        deliver(prices, f"item,price\nham,{day}\n", day)
        load(prices, day)
    table = DeltaTable(prices.project / ".lake" / "warehouse" / "bronze" / "prices")
    table.optimize.compact()
    assert len(table.file_uris()) == 1
    assert not load(prices, "2013-01-01", "2013-01-02").is_committed


@embedded
def test_an_undated_delivery_is_known_by_delta_s_log(prices, monkeypatch):
    (prices.project / "landing" / "prices" / "prices.csv").write_text("item,price\nham,1.50\n")
    run = prices.start("bronze.prices")
    tables.load(ingest.csv("prices/prices.csv"), run.contract, delivered=run.interval)
    monkeypatch.delattr(loading, "_asked")
    tables.load(ingest.csv("prices/prices.csv"), run.contract, delivered=run.interval)
    assert not prices.last(events.Published).is_committed


@embedded
def test_a_new_column_is_kept_and_reported(prices):
    deliver(prices, "item,price\nham,1.50\n")
    load(prices)
    deliver(prices, "item,price,colour\negg,0.20,white\n", "2013-01-02")
    load(prices, "2013-01-02")
    assert prices.last(events.DeliverySeen).drift == ("colour",)
    assert prices.rows("bronze.prices", "item", "colour") == [("egg", "white"), ("ham", None)]


def test_a_column_that_some_deliveries_of_a_run_bring_is_kept(prices):
    deliver(prices, "item,price\nham,1.50\n")
    deliver(prices, "item,price,colour\negg,0.20,white\n", "2013-01-02")
    load(prices, "2013-01-01", "2013-01-02")
    assert prices.rows("bronze.prices", "item", "colour") == [("egg", "white"), ("ham", None)]


@embedded
@pytest.mark.parametrize("days_a_run", [1, 2])
def test_a_new_column_that_differs_only_in_case_from_an_earlier_one_is_that_column(prices, days_a_run):
    deliver(prices, "item,price,Colour\nham,1.50,pink\n")
    if days_a_run == 1:
        load(prices)
    deliver(prices, "item,price,colour\negg,0.20,white\n", "2013-01-02")
    load(prices, "2013-01-01", "2013-01-02")
    assert prices.rows("bronze.prices", "item", "Colour") == [("egg", "white"), ("ham", "pink")]


@embedded
def test_a_new_column_is_refused_where_the_contract_says_so(prices):
    text = {"physicalType": "string"}
    prices.contract("bronze.prices", {"name": "item", **text}, {"name": "price", **text}, evolution="refuse")
    deliver(prices, "item,price,colour\nham,1.50,pink\n")
    with pytest.raises(DeliveryRefusedError, match=r"SCHEMA_NEW_COLUMN.*found colour"):
        load(prices)
    assert prices.rows("bronze.prices") == []


@embedded
@pytest.mark.parametrize(
    ("files", "named"),
    [
        (1, "SCHEMA_MISSING_COLUMN: prices/prices_2013-01-01.csv is refused"),
        (3, "3 deliveries, prices/prices_2013-01-01.csv, prices/prices_2013-01-02.csv, prices/prices_2013-01-03.csv: "),
        (300, "300 deliveries, prices/prices_2013-01-01.csv, .* and 297 more: the columns price were expected"),
    ],
    ids=["1", "3", "300"],
)
def test_deliveries_that_are_refused_for_one_reason_are_told_together(prices, files, named):
    for number in range(files):
        deliver(prices, "item\nham\n", date(2013, 1, 1) + timedelta(number))
    with pytest.raises(DeliveryRefusedError, match=named) as refused:
        load(prices, "2013-01-01", "2013-12-31")
    assert len(str(refused.value).splitlines()) <= 4
    assert len(prices.rows("bronze._manifest", "message")) == files
    assert (f"lake deliveries bronze.prices --limit {files} lists" in str(refused.value)) == (files > 1)


def entry(number, reason, message):
    path = f"prices/prices_{number}.csv"
    return Entry(
        "bronze.prices", path, None, 1, "0", 0, "refused", reason, message.replace("FILE", path), [], "run", AT
    )


def test_refusals_for_many_reasons_stay_under_a_screen():
    seen = [entry(number, f"REASON_{number % 7}", f"FILE: byte {number} {'x' * 9000}") for number in range(300)]
    contract = SimpleNamespace(name="bronze.prices")
    with pytest.raises(DeliveryRefusedError, match="300 of 300") as refused:
        raise_for_refused(seen, contract, recorded=312)
    assert len(str(refused.value)) < 80 * 30
    assert "43 deliveries, prices/prices_0.csv" in str(refused.value)
    assert "and 40 more; the first: " in str(refused.value)
    assert "- and 85 more for other reasons\nlake deliveries bronze.prices --limit 312 lists" in str(refused.value)


def test_a_refused_delivery_is_in_the_manifest_and_loads_once_it_is_repaired(prices):
    deliver(prices, "item\nham\n")
    with pytest.raises(DeliveryRefusedError, match="SCHEMA_MISSING_COLUMN"):
        load(prices)
    assert prices.rows("bronze.prices") == []
    assert prices.rows("bronze._manifest", "verdict", "reason") == [("refused", "SCHEMA_MISSING_COLUMN")]
    deliver(prices, "item,price\nham,1.50\n")
    load(prices)
    assert prices.rows("bronze.prices", "price") == [("1.50",)]


@embedded
def test_nothing_delivered_makes_an_empty_table(prices):
    assert not load(prices).is_committed
    assert prices.rows("bronze.prices") == []


@embedded
def test_loading_nothing_leaves_no_staging(prices):
    deliver(prices, "item,price\nham,1.50\n")
    for _ in range(2):
        load(prices)
    assert not list((prices.project / ".lake" / "warehouse" / "_staging").glob("*"))


@embedded
@pytest.mark.parametrize("header", ["item,Prise", "item,UNIT_PRICE"])
def test_a_renamed_column_is_named_beside_the_one_expected(prices, header):
    deliver(prices, f"{header}\nham,1.50\n")
    with pytest.raises(DeliveryRefusedError, match=f"price may have become {header[5:]}"):
        load(prices)


@embedded
def test_loading_wants_a_source_and_a_contract(prices):
    run = prices.start("bronze.prices")
    with pytest.raises(UsageError, match="A source was asked for; 'prices.csv' was given"):
        tables.load("prices.csv", run.contract, delivered=run.interval)
    with pytest.raises(UsageError, match=r"'bronze\.prices' was given"):
        tables.load(PRICES, "bronze.prices", delivered=run.interval)


def test_an_unreadable_delivery_is_told_the_others_are_loaded_and_a_later_run_loads_it(prices):
    for day, item in (("2013-01-01", "ham"), ("2013-01-02", "egg")):
        deliver(prices, f"item,price\n{item},1\n", day=day)
    locked = prices.project / "landing/prices/prices_2013-01-01.csv"
    locked.chmod(0)
    with as_anybody(), pytest.raises(DeliveryRefusedError) as told:
        load(prices, end="2013-01-02")
    assert "1 of 2 deliveries" in told.value.message
    assert "UNREADABLE: prices/prices_2013-01-01.csv can't be read: Permission denied" in told.value.message
    assert "run again" in told.value.hint
    assert "repaired" not in told.value.hint
    assert prices.rows("bronze.prices", "item") == [("egg",)]
    assert prices.rows("bronze._manifest", "path") == [("prices/prices_2013-01-02.csv",)]
    assert prices.last(events.DeliverySeen).verdict == "loaded"
    locked.chmod(0o600)
    load(prices, end="2013-01-02")
    assert prices.rows("bronze.prices", "item") == [("egg",), ("ham",)]


@embedded
def test_a_file_whose_name_is_no_text_is_told_and_the_others_are_loaded(prices):
    deliver(prices, "item,price\nham,1\n", day="2013-01-01")
    (prices.project / "landing/prices" / os.fsdecode(b"prices_2013-01-02\xff.csv")).write_text("item,price\negg,1\n")
    run = prices.start("bronze.prices", "2013-01-01", "2013-01-02")
    with pytest.raises(DeliveryRefusedError, match=r"prices_2013-01-02\\udcff\.csv can't be read: its name") as told:
        tables.load(ingest.csv("prices/prices_{date}*.csv"), run.contract, delivered=run.interval)
    assert "1 of 2 deliveries" in told.value.message
    assert prices.rows("bronze.prices", "item") == [("ham",)]
