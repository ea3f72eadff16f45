"""Deliveries in: a file that arrived becomes one Parquet file of text columns, exactly as delivered, or is refused.

    delivered = ingest.find_deliveries(ingest.csv("flights/flights_{date}.csv"), landing=landing, interval=interval)
    parsed = ingest.parse(delivered[0], source=source, required=[...], optional=[], ingested_at=now, into=path)

One parser for every engine: what a delivery says does not depend on what computes.
"""

from lakelib.ingest.deliveries import Delivery, find_deliveries
from lakelib.ingest.parsing import Parsed, parse
from lakelib.ingest.sources import Source, csv, json, jsonl, xml

__all__ = ["Delivery", "Parsed", "Source", "csv", "find_deliveries", "json", "jsonl", "parse", "xml"]
