"""A pytest plugin that closes nbval's ways of passing a cell that was not really checked.

nbval fails a cell when an error message arrives. A broken magic sends none, it only ends with the status `error`, and
so passes (nbval's issue 147). Tags, comments and a missing execution count switch checks off without a word. With this
plugin a cell passes when it ended with `ok` and its stored outputs were compared, and in no other way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from nbval.plugin import IPyNbCell

SWITCHES_OFF = {"skip": "is skipped", "check_exception": "is expected to raise"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if not isinstance(item, IPyNbCell):
        return (yield)
    if found := unchecked(item):
        item.raise_cell_error(f"The cell {found}; here every cell runs and is compared")
    with replies(item.parent.kernel) as seen:
        result = yield
    if any(reply.get("status") != "ok" for reply in seen):
        item.raise_cell_error("The cell ended with an error that it did not raise", repr(seen))
    return result


def unchecked(cell: IPyNbCell) -> str | None:
    """What keeps nbval from checking the cell, None where nothing does."""
    for option, words in SWITCHES_OFF.items():
        if cell.options[option]:
            return words
    if not cell.options["check"]:
        return "is not compared"
    return "was stored without being run" if cell.cell.execution_count is None else None


@contextmanager
def replies(kernel: Any) -> Iterator[list[dict[str, Any]]]:
    """The contents of the kernel's replies while the block lasts: nbval reads them and forgets them."""
    seen: list[dict[str, Any]] = []
    receive = kernel.get_message

    def watched(stream: str, timeout: float | None = None) -> dict[str, Any]:
        message: dict[str, Any] = receive(stream, timeout=timeout)
        if stream == "shell":
            seen.append(message["content"])
        return message

    kernel.get_message = watched
    try:
        yield seen
    finally:
        kernel.get_message = receive
