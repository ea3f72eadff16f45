"""The pages of an API that were fetched so far, kept in landing as they came."""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from upath import UPath

from lakelib.ingest.pagination import Ask
from lakelib.ingest.stores import is_in_cloud

__all__ = ["KeptPages"]

_STATE: Final = "state.json"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that zip knows: equal pages give equal archives


@dataclass(frozen=True)
class _State:
    """`asked` is the very first request: what another one has left is not gone on with."""

    asked: Ask
    following: Ask | None
    digests: Sequence[str] = ()
    sizes: Sequence[int] = ()


class KeptPages:
    """Page files in a folder, and what to ask for next: None once all are there."""

    def __init__(self, folder: UPath, *, asked: Ask) -> None:
        self._folder = folder
        self._state = _State(asked, asked)
        if (state := folder / _STATE).exists():
            kept = orjson.loads(state.read_bytes())
            if kept["asked"] == list(asked):
                self._state = _State(**kept)

    @property
    def following(self) -> Ask | None:
        return self._state.following

    @property
    def sizes(self) -> Sequence[int]:
        """How many records each page has."""
        return self._state.sizes

    def has(self, records: Sequence[Any]) -> bool:
        """Whether a page has exactly these records."""
        return _digest(records) in self._state.digests

    def add(self, body: bytes, *, records: Sequence[Any], following: Ask | None) -> None:
        """The page counts from the moment the state names it: one that was written just before is written again."""
        if not is_in_cloud(self._folder):  # there it needs no making, and could make a bucket
            self._folder.mkdir(parents=True, exist_ok=True)
        self._page(len(self.sizes)).write_bytes(body)
        state = self._state
        self._write(_State(state.asked, following, [*state.digests, _digest(records)], [*state.sizes, len(records)]))

    def end(self) -> None:
        """The last page was the last."""
        self._write(_State(self._state.asked, None, self._state.digests, self.sizes))

    def discard(self) -> None:
        """The next attempt begins with the first page."""
        self._write(_State(self._state.asked, self._state.asked))

    def pack(self, into: UPath) -> None:
        """All pages as the files of one archive, byte for byte."""
        with into.open("wb") as file, zipfile.ZipFile(file, "w") as archive:
            for number in range(len(self.sizes)):
                page = self._page(number)
                archive.writestr(zipfile.ZipInfo(page.name, _EPOCH), page.read_bytes(), zipfile.ZIP_DEFLATED)

    def _write(self, state: _State) -> None:
        written = self._folder / f"{_STATE}.tmp"
        written.write_bytes(orjson.dumps(asdict(state)))
        written.rename(self._folder / _STATE)
        self._state = state

    def _page(self, number: int) -> UPath:
        return self._folder / f"{number + 1:06}.json"


def _digest(records: Sequence[Any]) -> str:
    return hashlib.sha256(orjson.dumps(records)).hexdigest()
