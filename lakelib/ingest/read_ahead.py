"""An iterator that is a step ahead of the one who reads it."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["read_ahead"]

_Item = TypeVar("_Item")


@contextmanager
def read_ahead(items: Generator[_Item, None, None]) -> Iterator[Iterator[_Item]]:
    """The items, each made while the one before is worked on. All of it, closing included, happens in one thread."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as thread:
        try:
            yield _one_ahead(items, thread)
        finally:
            thread.submit(items.close).result()


def _one_ahead(items: Iterator[_Item], thread: ThreadPoolExecutor) -> Iterator[_Item]:
    upcoming = thread.submit(next, items, None)
    while (item := upcoming.result()) is not None:
        upcoming = thread.submit(next, items, None)
        yield item
