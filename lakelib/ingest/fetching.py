"""Sources that are not files: each delivery is fetched into landing first, and is a file like any other from there.

What was fetched is kept as it came, is recognised by its bytes and can be loaded again. Nothing else remembers what was
fetched: the files in landing are the only state.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime

from filelock import FileLock
from upath import UPath

from lakelib.ingest.deliveries import dated_files
from lakelib.ingest.fetchers import Fetcher, Request
from lakelib.ingest.patterns import name_on
from lakelib.ingest.sources import Source
from lakelib.ingest.stores import is_folder, is_in_cloud, store_errors
from lakelib.intervals import Interval

__all__ = ["fetch_deliveries"]


def fetch_deliveries(source: Source, *, landing: UPath, interval: Interval) -> None:
    """Fetches the deliveries of the interval that are not in landing; what is there is not fetched again.

    A source that knows history is asked for each day up to today. Another one is asked once, for the interval's last
    day (today, where that is earlier), unless landing has a delivery of that day or a later one: what there was to
    tell then is past. A delivery appears whole or not at all. Of several processes on one machine, one fetches, and
    the others find what it fetched.

    Raises:
        DataError: a delivery can't be had, or landing not be written; those of earlier days are kept.
    """
    if source.fetcher is None:
        return
    folder = source.folder_in(landing)
    with store_errors(landing), _alone(folder):
        kept = dict(dated_files(source, landing=landing)) if is_folder(folder) else {}
        for day in _missing(source.fetcher, kept, interval):
            file = _fetched(source, source.fetcher, folder=folder, day=day, previous=kept[max(kept)] if kept else None)
            if file is not None:
                kept[day] = file


def _alone(folder: UPath) -> AbstractContextManager[object]:
    """No other process of this machine fetches into the folder; in a cloud, what is written last counts."""
    if is_in_cloud(folder):
        return nullcontext()  # a folder is there once something is in it; to make one could make a bucket
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock((folder / ".fetching.lock").path)


def _missing(fetcher: Fetcher, kept: Iterable[date], interval: Interval) -> Iterator[date]:
    days, today = set(kept), _today()
    if fetcher.knows_history:
        yield from (day for day in interval if day <= today and day not in days)
    elif interval.start <= today and min(interval.end, today) > max(days, default=date.min):
        yield min(interval.end, today)


def _today() -> date:
    return datetime.now(UTC).date()


def _fetched(source: Source, fetcher: Fetcher, *, folder: UPath, day: date, previous: UPath | None) -> UPath | None:
    name = name_on(source.pattern, day)
    request = Request(day, into=folder / f".{name}.tmp", workspace=folder / f".{name}.pages", previous=previous)
    is_new = fetcher.fetch(request)
    if is_new:
        request.into.rename(folder / name)
    else:
        request.into.unlink(missing_ok=True)
    if request.workspace.exists():
        request.workspace.fs.rm(request.workspace.path, recursive=True)
    return folder / name if is_new else None
