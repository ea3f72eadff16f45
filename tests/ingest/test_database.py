import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from time import sleep
from typing import Any

import nbformat
import pytest
from adbc_driver_postgresql import dbapi
from deltalake import DeltaTable
from pyarrow import parquet
from upath import UPath

from lakelib import context, ingest
from lakelib.errors import DataError, SourceAwayError, UsageError
from lakelib.ingest import fetching
from lakelib.ingest.fetching import fetch_deliveries
from lakelib.intervals import Interval
from lakelib.names import TableName
from lakelib.scaffold import make_project, make_table
from tests.ingest.databases import execute, postgres_server, refusing_server
from tests.ingest.delivering import TODAY

PATTERN = "crm/rows_{date}.parquet"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'crm.sqlite'}"
    server: str = request.getfixturevalue("postgres")
    execute(server, "DROP TABLE IF EXISTS rows")
    return server


def change(url: str, *statements: str) -> None:
    if not url.startswith("sqlite"):
        return execute(url, *statements)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return None


def fetch(source: ingest.Source, landing: Path, *, start: date = TODAY, end: date = TODAY) -> list[str]:
    """The names of all deliveries after the fetch."""
    fetch_deliveries(source, landing=UPath(landing), interval=Interval(start, end))
    return sorted(path.name for path in (landing / "crm").iterdir() if path.name != ".fetching.lock")


def delivered(landing: Path, day: date = TODAY) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(landing / f"crm/rows_{day}.parquet").to_pylist()
    return rows


def test_a_snapshot_is_fetched_once_a_day(tmp_path: Path, url: str) -> None:
    change(url, "CREATE TABLE rows (id bigint, name text)", "INSERT INTO rows VALUES (1, 'a'), (2, NULL)")
    source = ingest.database(PATTERN, url=url, table="rows")
    assert fetch(source, tmp_path / "landing") == [f"rows_{TODAY}.parquet"]
    change(url, "DELETE FROM rows")
    fetch(source, tmp_path / "landing")
    assert delivered(tmp_path / "landing") == [{"id": 1, "name": "a"}, {"id": 2, "name": None}]


def test_a_query_may_end_in_a_comment(tmp_path: Path, url: str) -> None:
    change(url, "CREATE TABLE rows (id bigint)", "INSERT INTO rows VALUES (1)")
    fetch(ingest.database(PATTERN, url=url, query="SELECT id FROM rows -- all of them"), tmp_path)
    assert delivered(tmp_path) == [{"id": 1}]


def test_a_snapshot_is_dated_by_the_interval_and_never_before_one_that_is_kept(tmp_path: Path, url: str) -> None:
    change(url, "CREATE TABLE rows (id bigint)")
    source = ingest.database(PATTERN, url=url, table="rows")
    days = [TODAY - timedelta(days=n) for n in range(3)]
    assert fetch(source, tmp_path, start=days[2], end=days[1]) == [f"rows_{days[1]}.parquet"]
    assert fetch(source, tmp_path, start=days[2], end=days[2]) == [f"rows_{days[1]}.parquet"]
    in_a_year = TODAY + timedelta(days=365)
    assert fetch(source, tmp_path, end=in_a_year) == [f"rows_{days[1]}.parquet", f"rows_{TODAY}.parquet"]


def test_a_watermark_takes_what_is_new_and_loses_no_tie(tmp_path: Path, url: str) -> None:
    change(
        url,
        "CREATE TABLE rows (id bigint, at date)" if "sqlite" not in url else "CREATE TABLE rows (id bigint, at text)",
    )
    source = ingest.database(PATTERN, url=url, table="rows", watermark="at")
    days = [TODAY - timedelta(days=n) for n in (3, 2, 1, 0)]
    change(url, "INSERT INTO rows VALUES (1, '2013-01-01'), (2, '2013-01-02')")
    fetch(source, tmp_path / "l", start=days[0], end=days[0])
    assert len(fetch(source, tmp_path / "l", start=days[1], end=days[1])) == 1  # nothing came
    change(url, "INSERT INTO rows VALUES (3, '2013-01-02')")
    fetch(source, tmp_path / "l", start=days[2], end=days[2])
    assert [row["id"] for row in delivered(tmp_path / "l", days[2])] == [2, 3]
    change(url, "INSERT INTO rows VALUES (4, '2013-01-03')")
    fetch(source, tmp_path / "l")
    assert [row["id"] for row in delivered(tmp_path / "l")] == [2, 3, 4]


def test_a_lookback_takes_what_was_committed_late(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'crm.sqlite'}"
    change(url, "CREATE TABLE rows (id integer, at integer)", "INSERT INTO rows VALUES (1, 10), (2, 20)")
    source = ingest.database(PATTERN, url=url, table="rows", watermark="at", lookback=5)
    days = [TODAY - timedelta(days=n) for n in (2, 1, 0)]
    fetch(source, tmp_path / "l", start=days[0], end=days[0])
    assert len(fetch(source, tmp_path / "l", start=days[1], end=days[1])) == 1  # nothing came
    change(url, "INSERT INTO rows VALUES (3, 14), (4, 15)")
    fetch(source, tmp_path / "l")
    assert [row["id"] for row in delivered(tmp_path / "l")] == [2, 4]


def test_a_lookback_of_another_kind_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'crm.sqlite'}"
    change(url, "CREATE TABLE rows (at integer)", "INSERT INTO rows VALUES (1)")
    source = ingest.database(PATTERN, url=url, table="rows", watermark="at", lookback=timedelta(hours=1))
    fetch(source, tmp_path / "l", start=TODAY - timedelta(days=1), end=TODAY - timedelta(days=1))
    with pytest.raises(UsageError, match="before the newest at, which is 1"):
        fetch(source, tmp_path / "l")


def test_of_two_that_fetch_a_day_at_once_one_does(tmp_path: Path) -> None:
    class Slow:
        knows_history = True
        fetched = 0

        def fetch(self, request: ingest.Request) -> bool:
            type(self).fetched += 1
            sleep(0.1)
            request.into.write_text("{}")
            return True

    source = ingest.jsonl("crm/rows_{date}.jsonl").fetched_by(Slow())
    with ThreadPoolExecutor() as pool:
        names = list(pool.map(lambda _: fetch(source, tmp_path), range(3)))
    assert names == [[f"rows_{TODAY}.jsonl"]] * 3
    assert Slow.fetched == 1


def test_a_watermark_that_the_delivery_before_does_not_have_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'crm.sqlite'}"
    change(url, "CREATE TABLE rows (id bigint)", "INSERT INTO rows VALUES (1)")
    yesterday = TODAY - timedelta(days=1)
    fetch(ingest.database(PATTERN, url=url, table="rows"), tmp_path / "l", start=yesterday, end=yesterday)
    with pytest.raises(DataError, match="The newest value of at was looked for"):
        fetch(ingest.database(PATTERN, url=url, table="rows", watermark="at"), tmp_path / "l")


def test_a_query_with_a_date_is_asked_for_each_missing_day(tmp_path: Path, url: str) -> None:
    change(url, "CREATE TABLE rows (id bigint, day text)")
    change(url, *(f"INSERT INTO rows VALUES ({n}, '2013-01-0{n}')" for n in range(1, 5)))
    query = "SELECT id FROM rows WHERE day >= '{date}' AND day < '{next_date}';"
    source = ingest.database(PATTERN, url=url, query=query)
    fetch(source, tmp_path / "l", start=date(2013, 1, 2), end=date(2013, 1, 2))
    change(url, "UPDATE rows SET id = id + 10")
    fetch(source, tmp_path / "l", start=date(2013, 1, 1), end=date(2013, 1, 3))
    assert [delivered(tmp_path / "l", date(2013, 1, n)) for n in (1, 2, 3)] == [[{"id": n}] for n in (11, 2, 13)]


def test_postgres_types_are_kept(tmp_path: Path, postgres: str) -> None:
    query = (
        "SELECT 1::smallint i2, 9007199254740993::bigint i8, 1.50::numeric(12,2) n, 1.5::numeric t, 0.1::float8 d, "
        "true b, "
        "'ä'::varchar(5) v, 'x '::char(3) c, 12345678901234567890.5::numeric(39,1) wide, "
        "timestamptz '2013-01-03 00:00+01' tz, timestamp '2013-01-03 04:05' ts, "
        "date '2013-01-03' AS day, time '05:06' tod, '\\x01'::bytea raw, array[1,2] a, '{\"a\":1}'::jsonb j, "
        "'00000000-0000-0000-0000-000000000001'::uuid u, NULL::int nothing, array['a',NULL]::text[] texts, "
        "array[timestamptz '1850-01-01+00'] times, array['[1]'::json, NULL] js, '{}'::uuid[] us, mood, cents FROM kept"
    )
    execute(
        postgres,
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN cents AS numeric(10,2)",
        "CREATE TABLE kept (mood mood, cents cents)",
        "INSERT INTO kept VALUES ('ok', 1.5)",
    )
    fetch(ingest.database(PATTERN, url=postgres, query=query), tmp_path)
    assert delivered(tmp_path) == [
        {
            "i2": 1,
            "i8": 9007199254740993,
            "n": Decimal("1.50"),
            "t": "1.5",
            "d": 0.1,
            "b": True,
            "v": "ä",
            "c": "x  ",
            "wide": "12345678901234567890.5",
            "tz": datetime(2013, 1, 2, 23, tzinfo=UTC),
            "ts": datetime(2013, 1, 3, 4, 5),
            "day": date(2013, 1, 3),
            "tod": time(5, 6),
            "raw": b"\x01",
            "a": [1, 2],
            "j": '{"a": 1}',
            "u": "00000000-0000-0000-0000-000000000001",
            "nothing": None,
            "texts": ["a", None],
            "times": [datetime(1850, 1, 1, tzinfo=UTC)],
            "js": ["[1]", None],
            "us": [],
            "mood": "ok",
            "cents": Decimal("1.50"),
        }
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT interval '1 day' span", "span has PostgreSQL's type interval"),
        ("SELECT inet '1.2.3.4' ip", "ip has PostgreSQL's type inet"),
        ("SELECT '5.50'::money price", "price has PostgreSQL's type money"),
        ("SELECT 4294967295::oid o", "o has PostgreSQL's type oid"),
        ("SELECT array[1.5] a", "a has PostgreSQL's type numeric"),
        ("SELECT array[1] a UNION ALL SELECT array[[1,2],[3,4]]", "several"),
        ("SELECT 'infinity'::timestamptz till", "expected in till; one is infinite"),
        ("SELECT array['-infinity'::date] days", "expected in days; one is infinite"),
        ("SELECT 'NaN'::numeric(5,2) n", "'nan' is not a valid decimal"),
        ("SELECT * FROM nowhere", "does not exist"),
        ("WITH gone AS (CREATE TABLE x ()) SELECT 1", "syntax error"),
        ("SELECT 1/(10-g) x FROM generate_series(1, 20) g", "division by zero"),
    ],
)
def test_what_can_not_be_had_leaves_nothing(tmp_path: Path, postgres: str, query: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fetch(ingest.database(PATTERN, url=postgres, query=query), tmp_path)
    assert [path for path in (tmp_path / "crm").iterdir() if not path.name.startswith(".")] == []


@pytest.mark.parametrize("address", ["postgresql://me@127.0.0.1:1/x", "postgresql:///x?host=/nowhere"])
def test_a_server_that_does_not_answer_is_away(tmp_path: Path, address: str) -> None:
    with pytest.raises(SourceAwayError):
        fetch(ingest.database(PATTERN, url=address, table="rows"), tmp_path)


@pytest.mark.parametrize("row", [1, 100_000])
def test_a_server_that_goes_on_the_way_is_away(tmp_path: Path, postgres: str, row: int) -> None:
    query = f"""
        SELECT repeat('x', 1000), CASE WHEN g = {row} THEN pg_terminate_backend(pg_backend_pid()) END
        FROM generate_series(1, 100000) g"""
    source = ingest.database(PATTERN, url=postgres, query=query)
    with pytest.raises(SourceAwayError, match="terminating connection"):
        fetch(source, tmp_path)
    assert [path for path in (tmp_path / "crm").iterdir() if not path.name.startswith(".")] == []


def test_a_query_that_fails_in_words_of_absence_is_not_away(tmp_path: Path, postgres: str) -> None:
    with pytest.raises(DataError, match="timed out") as refused:
        fetch(ingest.database(PATTERN, url=postgres, query="SELECT 'Connection refused: timed out'::int"), tmp_path)
    assert not refused.value.is_transient


@pytest.mark.parametrize(
    ("sqlstate", "is_away"), [("57P03", True), ("53300", True), ("28P01", False), ("3D000", False)]
)
def test_the_language_of_a_refusal_does_not_matter(tmp_path: Path, sqlstate: str, *, is_away: bool) -> None:
    with (
        refusing_server(sqlstate, "das Datenbanksystem sagt: nein") as address,
        pytest.raises(DataError, match="sagt: nein") as refused,
    ):
        fetch(ingest.database(PATTERN, url=address, table="rows"), tmp_path)
    assert refused.value.is_transient is is_away


def test_a_server_with_a_tls_that_python_refuses_is_there(tmp_path: Path) -> None:
    too_old = b"\x15\x03\x01\x00\x02\x02\x46"  # a fatal alert, protocol_version
    with (
        refusing_server("28P01", "wrong password", tls_alert=too_old) as address,
        pytest.raises(DataError, match="wrong password") as refused,
    ):
        fetch(ingest.database(PATTERN, url=f"{address}?sslmode=disable", table="rows"), tmp_path)
    assert not refused.value.is_transient


def test_a_server_without_a_connection_left_is_away(tmp_path: Path, postgres: str) -> None:
    execute(postgres, "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    with pytest.raises(SourceAwayError, match="too many connections"):
        fetch(ingest.database(PATTERN, url=postgres.replace("postgres:@", "crowd@"), table="rows"), tmp_path)


def test_a_server_that_knows_neither_user_nor_database_is_there(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dbapi.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('hba_file')")
        rights = Path(cursor.fetchall()[0][0])
    rights.write_text("local all bob scram-sha-256\n" + rights.read_text())
    execute(postgres, "CREATE ROLE bob LOGIN PASSWORD 'right'", "SELECT pg_reload_conf()")
    monkeypatch.setenv("BOB", postgres.replace("postgres:@", "bob:wrong@"))
    for address in ("env:BOB", postgres.replace("/postgres?", "/nowhere?")):
        with pytest.raises(DataError, match="FATAL") as refused:
            fetch(ingest.database(PATTERN, url=address, table="rows"), tmp_path)
        assert not refused.value.is_transient


def test_a_query_can_not_write(tmp_path: Path, url: str) -> None:
    change(url, "CREATE TABLE rows (id bigint)")
    for query in ("DELETE FROM rows", "DELETE FROM rows RETURNING id"):
        with pytest.raises(DataError):
            fetch(ingest.database(PATTERN, url=url, query=query), tmp_path / "landing")


def test_text_is_no_watermark_where_its_order_is_the_servers_own(tmp_path: Path, postgres: str) -> None:
    source = ingest.database(PATTERN, url=postgres, query="SELECT 'a' AS at", watermark="at")
    with pytest.raises(DataError, match="order"):
        fetch(source, tmp_path)


def test_a_password_never_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_URL", "postgresql://me:" + "s3cr%20t@localhost:port/x")
    with pytest.raises(DataError) as refused:
        fetch(ingest.database(PATTERN, url="env:CRM_URL", table="rows"), tmp_path)
    assert "s3cr" not in f"{refused.value!r}{refused.value}{refused.value.__cause__!r}"


@pytest.mark.parametrize(
    "asked",
    [
        {"url": "postgresql://me:" + "secret@host/x", "table": "rows"},
        {"url": "env:X"},
        {"url": "env:X", "table": "rows", "query": "SELECT 1"},
        {"url": "env:X", "query": "SELECT '{date}'", "watermark": "at"},
    ],
)
def test_a_contradiction_is_refused_at_once(asked: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ingest.database(PATTERN, **asked)


@pytest.fixture
def crm(tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A new project, and the address of a database as a secret."""
    make_project(tmp_path / "crm")
    monkeypatch.setenv("LAKE_PROJECT", str(tmp_path / "crm"))
    monkeypatch.setenv("CRM_URL", postgres)
    monkeypatch.setattr(fetching, "_today", lambda: datetime.now(UTC).date())  # as the notebook that is made
    context.end()
    yield
    context.current().engine.close()
    context.end()


@pytest.mark.usefixtures("crm")
def test_a_table_of_postgres_becomes_a_notebook_that_loads_it(postgres: str) -> None:
    columns = "id bigint, paid numeric(8,2), born date, tags text[], seen timestamptz"
    execute(postgres, "CREATE SCHEMA sales", f'CREATE TABLE sales."People" ({columns})')
    execute(postgres, """INSERT INTO sales."People" VALUES (1, 9.50, '1990-01-02', '{a}', NULL)""")
    made = make_table(TableName("bronze", "people"), "env:CRM_URL/sales.People")
    promised = ", ".join(f"{column.name} {column.type}" for column in made.contract.columns)
    assert promised == "id bigint, paid decimal(8,2), born date, tags array<string>, seen timestamp"
    notebook = nbformat.read(made.notebook_file, as_version=4)
    exec("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"), {})
    table = DeltaTable(context.current().path(made.contract.name)).to_pyarrow_table(columns=columns.split()[::2])
    assert table.to_pylist() == [
        {"id": 1, "paid": Decimal("9.50"), "born": date(1990, 1, 2), "tags": ["a"], "seen": None}
    ]


def test_fetched_deliveries_need_a_name_a_day() -> None:
    with pytest.raises(UsageError, match="with its date"):
        ingest.database("crm/rows.parquet", url="env:X", table="rows")
