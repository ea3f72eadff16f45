"""What fetches a delivery into landing from where the data lives: the Protocol."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from upath import UPath

__all__ = ["Fetcher", "Request"]


@dataclass(frozen=True)
class Request:
    """One delivery to be fetched.

    `into`: the file to write; it becomes the delivery when `fetch` returns True. `workspace`: a folder for what shall
    survive a failure; whoever needs it makes it, and it goes once the delivery is there. `previous`: the newest
    delivery in landing, None before the first.
    """

    day: date
    into: UPath
    workspace: UPath
    previous: UPath | None


class Fetcher(Protocol):
    """How one delivery is fetched."""

    @property
    def knows_history(self) -> bool:
        """Whether it can be asked for a past day; one that can't tells what is there at the time."""
        ...

    def fetch(self, request: Request) -> bool:
        """Writes the whole delivery; False when there is nothing new, and then nothing is delivered.

        It may be killed at any point, and is then called again for the same day. What the source tells twice gives the
        same bytes.

        Raises:
            DataError: the delivery can't be had.
        """
        ...
