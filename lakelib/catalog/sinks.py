"""Where metadata goes: DataHub Lite in this process, a DataHub server, files."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from datahub.configuration.common import ConfigurationError, OperationalError
from datahub.emitter.mcp import MetadataChangeProposalWrapper as Proposal
from datahub.emitter.rest_emitter import DataHubRestEmitter
from datahub.lite.sqlite_lite import SqliteLite

from lakelib.catalog.spool import Item
from lakelib.errors import CatalogError, SettingsError
from lakelib.files import write_whole
from lakelib.secrets import read_secret, resolved
from lakelib.settings import Settings

if TYPE_CHECKING:
    from datahub.emitter.kafka_emitter import DatahubKafkaEmitter

__all__ = ["Sink", "lite_file", "open_sink", "proposals_of"]

_RETRIED: Final = [429, 502, 503, 504]


class Sink(Protocol):
    def send(self, item: Item) -> None:
        """Takes all of the item; again, it changes nothing.

        Raises:
            CatalogError: it was not taken, or not all of it.
        """
        ...


@contextmanager
def open_sink(name: str, settings: Settings) -> Iterator[Sink]:
    """Raises SettingsError where the settings do not say what the sink needs, CatalogError where no DataHub is."""
    match name:
        case "lite":
            with warnings.catch_warnings(), closing(_open_lite(settings)) as store:
                warnings.simplefilter("ignore", DeprecationWarning)  # it calls what DataHub itself gave up
                yield _Lite(store)
        case "server":
            token = read_secret(settings.catalog.token) if settings.catalog.token else None
            with _emitter(settings, token=token) as emitter:
                server = _Server(emitter, token=token)
                server.check()
                yield server
        case "kafka":
            yield _kafka(settings)
        case _:
            yield _Files(settings.catalog_state / "files")


def _open_lite(settings: Settings) -> SqliteLite:
    options = {"journal_mode": "WAL", "synchronous": "NORMAL"}
    return SqliteLite.create({"file": str(lite_file(settings)), "options": options})


def lite_file(settings: Settings) -> Path:
    """DataHub Lite's store; `datahub lite` reads it."""
    return settings.catalog_state / "datahub.db"


def proposals_of(item: Item) -> list[Proposal]:
    return [Proposal.from_obj(each) for each in item.told()]  # type: ignore[misc]


class _Lite:
    def __init__(self, store: SqliteLite) -> None:
        self._store = store

    def send(self, item: Item) -> None:
        for proposal in proposals_of(item):
            self._store.write(proposal)


class _Files:
    """A file an item, in DataHub's metadata file format: `datahub ingest` reads a folder of them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def send(self, item: Item) -> None:
        write_whole(self._folder / f"{item.number:08}.json", item.content)


class _Server:
    def __init__(self, emitter: DataHubRestEmitter, *, token: str | None) -> None:
        self._emitter = emitter
        self._token = token

    def check(self) -> None:
        """A page of a login, or a front end, answers 200 to whatever is posted to it, and keeps nothing."""
        try:
            self._emitter.test_connection()
        except (OperationalError, ConfigurationError, OSError, ValueError, AttributeError) as error:
            raise CatalogError(
                f"The DataHub server of catalog.server was asked for its configuration and gave none: "
                f"{self._said(error)}",
                hint="It has to be the metadata service, as https://datahub.example/gms; all stays in the spool.",
            ) from None

    def send(self, item: Item) -> None:
        try:
            self._emitter.emit_mcps(proposals_of(item))
        except (OperationalError, ConfigurationError, OSError) as error:
            raise CatalogError(
                f"What tells of {item.subject} was sent to the DataHub server and not taken: {self._said(error)}",
                hint="It stays in the spool, with all that comes after it; `lake catalog emit` sends it again.",
            ) from None

    def _said(self, error: Exception) -> str:
        """Without the token, which what refuses it may repeat."""
        return _short(str(error).replace(self._token, "***") if self._token else error)


class _Kafka:
    """Two topics of DataHub; each proposal goes to the partition of its entity, so that those of one stay in order."""

    def __init__(self, emitter: "DatahubKafkaEmitter") -> None:
        self._emitter = emitter

    def send(self, item: Item) -> None:
        failures: list[object] = []
        try:
            for proposal in proposals_of(item):
                self._emitter.emit_mcp_async(proposal, lambda error, _: failures.append(error) if error else None)
            if left := self._emitter.flush_with_undelivered_count():
                failures.append(TimeoutError(f"{left} messages had no answer"))
        except Exception as error:  # noqa: BLE001 - the errors of a producer and of a schema registry have no common one
            failures.append(error)
        if failures:
            raise CatalogError(
                f"What tells of {item.subject} was sent to Kafka and not taken: {_short(failures[0])}",
                hint="It stays in the spool, with all that comes after it; `lake catalog emit` sends it again.",
            )


def _kafka(settings: Settings) -> _Kafka:
    try:
        from datahub.emitter.kafka_emitter import DatahubKafkaEmitter, KafkaEmitterConfig
    except ImportError as error:
        raise SettingsError(
            f"The catalog's sinks name kafka; what it needs is not installed: {error}.",
            hint="Install DataHub's extra: pip install 'acryl-datahub[datahub-kafka]'.",
        ) from error
    if not settings.catalog.kafka:
        raise SettingsError(
            "The catalog's sinks name kafka; no connection to it is set.",
            hint="Set catalog.kafka in conf/, as in kafka: {bootstrap: broker:9092, schema_registry_url: https://…}.",
        )
    connection = resolved(settings.catalog.kafka)
    milliseconds = int(settings.catalog.timeout_seconds * 1000)
    # Without these a message may come twice or out of order, and one to a broker that is away waits five minutes.
    kept = {"enable.idempotence": True, "message.timeout.ms": milliseconds, **connection.get("producer_config", {})}
    config = KafkaEmitterConfig.model_validate({"connection": connection | {"producer_config": kept}})
    return _Kafka(DatahubKafkaEmitter(config))


@contextmanager
def _emitter(settings: Settings, *, token: str | None) -> Iterator[DataHubRestEmitter]:
    catalog = settings.catalog
    if catalog.server is None:
        raise SettingsError(
            "The catalog's sinks name a server; no address of one is set.",
            hint="Set catalog.server in conf/ to its URL.",
        )
    logging.getLogger("datahub.emitter").setLevel(logging.CRITICAL)
    emitter = DataHubRestEmitter(
        catalog.server,
        token=token,
        timeout_sec=catalog.timeout_seconds,
        retry_status_codes=_RETRIED,
        retry_max_times=2,
    )
    try:
        yield emitter
    finally:
        emitter.close()


def _short(error: object) -> str:
    lines: Sequence[str] = str(error).splitlines() or [type(error).__name__]
    return lines[0][:300]
