"""Deliveries in: a file that arrived becomes one Parquet file of rows, exactly as delivered, or is refused.

    delivered = ingest.find_deliveries(ingest.csv("flights/flights_{date}.csv"), landing=landing, interval=interval)
    parsed = ingest.parse(delivered[0], source=source, expected=Expected([...]), ingested_at=now, into=path)

One parser for every engine: what a delivery says does not depend on what computes.
"""

from lakelib.ingest.api import Credentials
from lakelib.ingest.columns import Expected
from lakelib.ingest.deliveries import Delivery, find_deliveries
from lakelib.ingest.fetchers import Fetcher, Request
from lakelib.ingest.fetching import fetch_deliveries
from lakelib.ingest.formats import BrokenRecord, FileFormat
from lakelib.ingest.pagination import ByCursor, ByLink, ByPage
from lakelib.ingest.parsing import Parsed, parse
from lakelib.ingest.sources import (
    Source,
    api,
    csv,
    database,
    json,
    jsonl,
    parquet,
    sqlite,
    xml,
)

__all__ = [
    "BrokenRecord",
    "ByCursor",
    "ByLink",
    "ByPage",
    "Credentials",
    "Delivery",
    "Expected",
    "Fetcher",
    "FileFormat",
    "Parsed",
    "Request",
    "Source",
    "api",
    "csv",
    "database",
    "fetch_deliveries",
    "find_deliveries",
    "json",
    "jsonl",
    "parquet",
    "parse",
    "sqlite",
    "xml",
]
