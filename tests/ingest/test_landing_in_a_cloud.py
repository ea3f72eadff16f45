"""Landing behind a URI, by fsspec's store in memory."""

import errno
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from traceback import format_exception
from uuid import uuid4

import pytest
from fsspec import AbstractFileSystem, register_implementation
from fsspec.registry import _registry as registry_of_fsspec
from pyarrow import parquet
from upath import UPath

from lakelib import ingest
from lakelib.drivers import opened
from lakelib.errors import DataError, SettingsError, SourceAwayError
from lakelib.ingest.fetching import fetch_deliveries
from lakelib.ingest.stores import is_file, is_folder, store_errors
from lakelib.intervals import Interval
from lakelib.settings import StorageSettings, load_settings
from tests.architecture.project_files import PROJECT
from tests.ingest.delivering import NOW, TODAY
from tests.ingest.servers import open_shop
from tests.ingest.test_typed_files import sqlite_file


@pytest.fixture
def landing() -> UPath:
    return load_settings(PROJECT, landing=f"memory://{uuid4()}").landing_path


def test_deliveries_are_found_and_parsed(tmp_path: Path, landing: UPath) -> None:
    (landing / "planes").mkdir(parents=True)
    (landing / "planes/fleet_2013-01-03.sqlite").write_bytes(sqlite_file(tmp_path, "a INTEGER", [(1,)]))
    source = ingest.sqlite("planes/fleet_{date}.sqlite", table="rows")
    (found,) = ingest.find_deliveries(source, landing=landing, interval=Interval(date(2013, 1, 3), date(2013, 1, 3)))
    assert found.name == "planes/fleet_2013-01-03.sqlite"
    into = tmp_path / "rows"
    ingest.parse(found, source=source, expected=ingest.Expected(["a"]), ingested_at=NOW, run_id="run", into=into)
    assert parquet.read_table(into)["a"].to_pylist() == [1]


def test_pages_are_fetched_into_it(landing: UPath) -> None:
    with open_shop() as shop:
        source = ingest.api("shop/orders_{date}.zip", url=shop.url, records="data.items")
        fetch_deliveries(source, landing=landing, interval=Interval(TODAY, TODAY))
    assert [path.name for path in (landing / "shop").iterdir()] == [f"orders_{TODAY}.zip"]


def test_options_hold_secret_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_KEY", "the key")
    options = {"key": "env:S3_KEY", "anon": False, "client_kwargs": {"aws_session_token": "env:S3_KEY"}}
    told = {"key": "the key", "anon": False, "client_kwargs": {"aws_session_token": "the key"}}
    assert StorageSettings(options=options).resolved == told


def test_a_pattern_without_a_folder_is_of_the_landing_folder_itself(landing: UPath) -> None:
    landing.mkdir(parents=True)
    (landing / "fleet_2013-01-03.csv").write_bytes(b"a\n1\n")
    day = Interval(date(2013, 1, 3), date(2013, 1, 3))
    (found,) = ingest.find_deliveries(ingest.csv("fleet_{date}.csv"), landing=landing, interval=day)
    assert found.name == "fleet_2013-01-03.csv"


class AwayError(ConnectionError):
    """As a driver's own."""


def of_http(kind: str, **status: int) -> Exception:
    """As the one of gcsfs or adlfs, which are not installed here: told by its package and name."""
    package, _, name = kind.rpartition(".")
    error: Exception = type(name, (Exception,), {"__module__": package, **status})("of HTTP")
    return error


def caused(kind: type[Exception], cause: Exception) -> Exception:
    """As adlfs wraps what its client raises when it writes."""
    error = kind("Failed to upload block")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "told", "is_transient"),
    [
        (OSError(5, "Internal Error"), SourceAwayError, True),
        (OSError(errno.EBUSY, "SlowDown"), SourceAwayError, True),
        (OSError(errno.EREMOTEIO, "InternalError"), SourceAwayError, True),
        (AwayError("closed"), SourceAwayError, True),
        (TimeoutError("RequestTimeout"), SourceAwayError, True),
        (of_http("requests.exceptions.ConnectionError"), SourceAwayError, True),
        (of_http("gcsfs.retry.HttpError", code=503), SourceAwayError, True),
        (of_http("gcsfs.retry.HttpError", code=429), SourceAwayError, True),
        (of_http("azure.core.exceptions.AzureError", status_code=503), SourceAwayError, True),
        (of_http("azure.core.exceptions.AzureError", status_code=408), SourceAwayError, True),
        (of_http("gcsfs.retry.HttpError", code=401), DataError, False),
        (of_http("azure.core.exceptions.AzureError", status_code=403), DataError, False),
        (OSError(errno.EINVAL, "InvalidToken"), DataError, False),
        (OSError("Forbidden: acme-landing"), DataError, False),
        (PermissionError("signature"), DataError, False),
        (FileNotFoundError("no such bucket"), DataError, False),
        (TypeError("AioSession.__init__() got an unexpected keyword argument 'nosuch'"), DataError, False),
        (ValueError("Bad Request: b/ACME/o\nInvalid bucket name"), DataError, False),
        (
            caused(RuntimeError, of_http("azure.core.exceptions.AzureError", status_code=503)),
            SourceAwayError,
            True,
        ),
        (caused(RuntimeError, of_http("azure.core.exceptions.AzureError", status_code=403)), DataError, False),
        (ValueError("of the code"), ValueError, None),
        (TypeError("of the code"), TypeError, None),
    ],
)
def test_what_a_store_raises_is_told_as_ours(
    landing: UPath, raised: Exception, told: type[Exception], *, is_transient: bool | None
) -> None:
    with pytest.raises(told) as error, store_errors(landing):
        raise raised
    assert getattr(error.value, "is_transient", None) is is_transient


def test_errors_of_this_machine_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), store_errors(UPath(tmp_path)):
        (tmp_path / "nothing").read_bytes()


@pytest.mark.parametrize("uri", ["abfss://landing@acme.dfs.core.windows.net/x", "nosuch://x"])
def test_a_store_without_a_driver_names_the_extra(uri: str) -> None:
    with pytest.raises(SettingsError, match="lakelib\\[s3\\]"):
        assert load_settings(PROJECT, landing=uri).landing_path


class Acme(AbstractFileSystem):
    """A driver that is away: it says of every file that it is not there, as those of the clouds do."""

    cachable = False

    def __init__(self, account_key: str = "", **others: str) -> None:
        super().__init__()
        if account_key == "refused":
            raise KeyError("refresh_token")
        if account_key == "asked about":
            raise AwayError("GET /tokeninfo?access_token=the-token")

    def info(self, path: str, **_: object) -> dict[str, object]:
        raise AwayError(path)

    def isfile(self, path: str) -> bool:
        return False

    isdir = isfile


@pytest.fixture
def acme() -> Iterator[str]:
    register_implementation("gs", Acme, clobber=True)
    yield "gs://landing/x"
    registry_of_fsspec.pop("gs")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"acount_key": "the key"}, "Did you mean account_key"),
        ({"account_key": "refused"}, "can't be opened with storage.options: KeyError"),
    ],
)
def test_options_that_the_driver_does_not_take_are_told(acme: str, options: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        opened(acme, options)


def test_options_of_what_the_driver_opens_are_let_pass(acme: str) -> None:
    assert opened(acme, {"managed_identity": "x"}).path


def test_who_knows_a_token_is_away_and_the_token_is_not_told(acme: str) -> None:
    with pytest.raises(SourceAwayError) as error:
        opened(acme, {"account_key": "asked about"})
    assert "the-token" not in "".join(format_exception(error.value))


@pytest.mark.parametrize("verb", [is_file, is_folder])
def test_a_store_that_is_away_is_not_an_empty_one(acme: str, verb: Callable[[UPath], bool]) -> None:
    with pytest.raises(AwayError):
        verb(opened(acme, {}))
