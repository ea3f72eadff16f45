"""The catalog's Kafka sink against a broker; `make test-kafka` fetches what it needs and runs this."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakelib.catalog.emitting import emit, open_spool
from lakelib.settings import CatalogSettings, Settings, load_settings
from tests.catalog.kafka import Broker, Registry, broker, registry, told
from tests.runner.projects import Project

TOPIC = "MetadataChangeProposal_v1"


@pytest.fixture(scope="module")
def schemas() -> Iterator[Registry]:
    with registry() as started:
        yield started


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("kafka") / "broker", Path(os.environ["LAKE_KAFKA_JARS"])) as started:
        yield started


def to_kafka(shop: Project, kafka: Broker, schemas: Registry) -> Settings:
    connection = {"bootstrap": kafka.address, "schema_registry_url": schemas.url}
    return load_settings(shop.folder, catalog=CatalogSettings(sinks=("kafka",), kafka=connection, timeout_seconds=5))


def spooled(settings: Settings) -> list[tuple[str, str, Any]]:
    with open_spool(settings) as spool:
        proposals = [each for item in spool.items() for each in json.loads(item.content)]
    return [(each["entityUrn"], each["aspectName"], each["aspect"]["json"]) for each in proposals]


def read(kafka: Broker, schemas: Registry) -> list[tuple[str, str, Any]]:
    proposals = told(kafka.address, schemas, TOPIC)
    return [(each["entityUrn"], each["aspectName"], json.loads(each["aspect"]["value"])) for each in proposals]


def test_what_waits_for_a_broker_goes_once_and_in_order(shop: Project, kafka: Broker, schemas: Registry) -> None:
    settings = to_kafka(shop, kafka, schemas)
    receipt = next((shop.folder / ".lake" / "archive").rglob("gold/**/*.json"))
    later = shutil.move(receipt, shop.folder / receipt.name)
    assert [(sent.taken, sent.waiting, sent.error) for sent in emit(settings)] == [(5, 0, "")]
    kafka.stop()
    shutil.move(later, receipt)
    [away] = emit(settings)
    assert (away.taken, away.waiting > 0, away.error.startswith("What tells of ")) == (0, True, True)
    kafka.start()
    [back] = emit(settings)
    assert (back.taken, back.waiting, back.error) == (away.waiting, 0, "")
    assert emit(settings)[0].taken == 0
    assert read(kafka, schemas) == spooled(settings)
