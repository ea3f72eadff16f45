"""Notebooks as production units: checked medallion writes, receipts and lineage on Delta tables."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lakelib import ingest, tables, transform
    from lakelib.intervals import Interval
    from lakelib.run import Run, start

__all__ = ["Interval", "Run", "ingest", "start", "tables", "transform"]

_HOMES: Final = {"Interval": "lakelib.intervals", "Run": "lakelib.run", "start": "lakelib.run"}


def __getattr__(name: str) -> Any:
    # The command line reads notebooks without ever loading an engine: what a notebook uses is loaded when it asks.
    if name not in __all__:
        raise AttributeError(f"module 'lakelib' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name) if name in _HOMES else import_module(f"lakelib.{name}")
