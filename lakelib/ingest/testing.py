"""What a source of your own has to keep, as tests that you can run on it.

def test_my_format_keeps_its_promises() -> None:
    check_format(FixedWidth(...), Path("sample.txt"))
"""

import os
import signal
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
from upath import UPath

from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.columns import Columns, Expected
from lakelib.ingest.deliveries import find_deliveries
from lakelib.ingest.fetching import fetch_deliveries
from lakelib.ingest.formats import FileFormat, numbered_tables
from lakelib.ingest.sources import Source
from lakelib.intervals import Interval

__all__ = ["check_fetcher", "check_format"]

_KILLS: Final = 10


def check_format(file_format: FileFormat, sample: Path) -> None:
    """The sample has rows, the same ones each time; its beginnings are read or refused with a reason, never a crash.

    Raises:
        AssertionError: with the promise that is not kept.
    """
    whole = sample.read_bytes()
    rows = _rows(file_format, whole)
    assert rows, "The sample has to have rows."
    assert rows == _rows(file_format, whole), "The same bytes have to give the same rows."
    for length in range(0, len(whole), max(1, len(whole) // 50)):
        reason = _refusal(file_format, whole[:length])
        assert not reason or reason.isupper(), f"A refusal needs a reason in capitals, not {reason}."


def check_fetcher(source: Source, day: date | None = None) -> None:
    """Fetched twice, a delivery has the same bytes; killed, it is there whole or not, and comes when asked for.

    `day` is one that a source that knows history can be asked for. What the source tells must not change meanwhile.

    Raises:
        AssertionError: with the promise that is not kept.
    """
    interval = Interval.parse(*[day or datetime.now(UTC).date()] * 2)
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        first = _fetched(source, UPath(folder, "first"), interval)
        took = time.monotonic() - started
        assert len(first) == 1, f"One delivery of {interval} was expected, there are {len(first)}."
        assert first == _fetched(source, UPath(folder, "second"), interval), "Equal content has to give equal bytes."
        for n in range(1, _KILLS):
            landing = UPath(folder, f"killed-{n}")
            _fetch_killed_after(took * n / _KILLS, source, landing, interval)
            assert _deliveries(source, landing, interval) in ([], first), "A part of a delivery is there."
            assert _fetched(source, landing, interval) == first, "After a kill the delivery is another one."


def _refusal(file_format: FileFormat, content: bytes) -> str:
    try:
        _rows(file_format, content)
    except DeliveryRefusedError as refused:
        return refused.reason or "none"
    return ""


def _rows(file_format: FileFormat, content: bytes) -> list[dict[str, object]]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        tables = list(numbered_tables(file_format.read(Path(file.name)), Columns(Expected())))
    return pa.concat_tables(tables, promote_options="default").to_pylist() if tables else []


def _fetched(source: Source, landing: UPath, interval: Interval) -> list[str]:
    fetch_deliveries(source, landing=landing, interval=interval)
    return _deliveries(source, landing, interval)


def _deliveries(source: Source, landing: UPath, interval: Interval) -> list[str]:
    """Their SHA-256."""
    if not source.folder_in(landing).is_dir():
        return []
    return [delivery.sha256 for delivery in find_deliveries(source, landing=landing, interval=interval)]


def _fetch_killed_after(seconds: float, source: Source, landing: UPath, interval: Interval) -> None:
    """In a process of its own, with the signal that can't be caught."""
    process = os.fork()
    if process == 0:
        try:
            fetch_deliveries(source, landing=landing, interval=interval)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
