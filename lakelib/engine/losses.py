"""What a client of Spark Connect says when its server is gone."""

import re
from typing import Final

from lakelib.errors import EngineLostError

__all__ = ["is_lost", "lost_engine"]

_SIGNS: Final = ("StatusCode.UNAVAILABLE", "INVALID_HANDLE.SESSION", "NO_ACTIVE_SESSION", "on a stopped SparkContext")


def is_lost(message: str) -> bool:
    """Whether the client's error means that the server, or the session on it, is there no more."""
    return any(sign in message for sign in _SIGNS)


def lost_engine(place: str = "", *, said: str = "") -> EngineLostError:
    """`place` says which server it was; `said` is the client's own message, of which the reason is kept."""
    details = re.search(r'details = "(.+)"', said)
    server = f"The Spark server {place}".strip()
    return EngineLostError(
        f"{server} was asked and does not answer; the session and its DataFrames are lost."
        + (f" The client says: {details[1]}" if details else ""),
        hint="Run the notebook again: a local server is started anew, and a rerun finishes what was begun. "
        "Its log is server.log in the engine's folder; where that says OutOfMemoryError, raise `spark.memory`.",
    )
