"""JSON over HTTP, page by page, kept as it came."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lakelib.errors import DataError, UsageError
from lakelib.ingest.credentials import check_address, check_reference
from lakelib.ingest.fetchers import Request
from lakelib.ingest.kept_pages import KeptPages
from lakelib.ingest.pagination import Ask, ByPage, Page, Pagination, Parameters, value_at
from lakelib.ingest.patience import Patience
from lakelib.secrets import resolved

if TYPE_CHECKING:
    from lakelib.ingest.http import PatientClient

__all__ = ["Api", "Credentials"]

_DATE: Final = "{date}"
_NEXT_DATE: Final = "{next_date}"


@dataclass(frozen=True)
class Credentials:
    """Secret references: to a token, to `user:password`, and to the values of headers by their names."""

    bearer: str = ""
    basic: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for reference in filter(None, (self.bearer, self.basic, *self.headers.values())):
            check_reference(reference)

    def resolved(self) -> dict[str, str]:
        """The headers of a request."""
        headers = {name: resolved(reference) for name, reference in self.headers.items()}
        if self.bearer:
            headers["Authorization"] = f"Bearer {resolved(self.bearer)}"
        if self.basic:
            headers["Authorization"] = f"Basic {base64.b64encode(resolved(self.basic).encode()).decode()}"
        return headers


@dataclass(frozen=True)
class Api:
    """Fetches all pages of a JSON API as one zip archive, each page a file, byte for byte as it came.

    Pages are kept in landing as they come: what fails in page N goes on there the next time. `records` leads to a
    page's records, as `path` does in `ingest.json`.
    """

    url: str
    records: str
    pages: Pagination
    parameters: Parameters
    credentials: Credentials
    patience: Patience

    def __post_init__(self) -> None:
        check_address(self.url)
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise UsageError(f"An API was asked for at {self.url!r}.", hint="Begin with https://.")

    @property
    def knows_history(self) -> bool:
        texts = [self.url, *map(str, self.parameters.values())]
        return any(_DATE in text or _NEXT_DATE in text for text in texts)

    def fetch(self, request: Request) -> bool:
        """All pages, each once.

        Raises:
            DataError: a page can't be had, comes a second time, leads to another server, or has another size than the
                first one where pages are numbered, as records could be missed then.
        """
        from lakelib.ingest.http import PatientClient

        parameters = {name: _on(value, request.day) for name, value in self.parameters.items()}
        asked = (str(_on(self.url, request.day)), self.pages.first(parameters))
        kept = KeptPages(request.workspace, asked=asked)
        with PatientClient(self.credentials.resolved(), self.patience) as client:
            while (ask := kept.following) is not None:
                self._add_page(client, ask, kept)
        kept.pack(request.into)
        return True

    def _add_page(self, client: "PatientClient", ask: Ask, kept: KeptPages) -> None:
        answer = client.get(ask, complaint=partial(self._complaint, kept))
        if answer is None:
            self._check_past_the_end(ask, kept)
            kept.end()
            return
        records = self._records(answer.document)
        self._check_size(records, kept)
        following = self.pages.following(Page(ask, answer.document, records, answer.next_link))
        _check_server(following, ask)
        kept.add(answer.body, records=records, following=following)

    def _check_past_the_end(self, ask: Ask, kept: KeptPages) -> None:
        if not (isinstance(self.pages, ByPage) and kept.sizes):
            raise DataError(f"{ask[0]} was asked for; nothing is found there.", hint="Is the address right?")

    def _check_size(self, records: Sequence[Any], kept: KeptPages) -> None:
        """Page numbers count pages of one size: with another, records are missed or come twice."""
        if not (isinstance(self.pages, ByPage) and records and kept.sizes):
            return
        first, last = kept.sizes[0], kept.sizes[-1]
        if last != first or len(records) > first:
            kept.discard()
            raise DataError(
                f"Pages of {first} records were expected; found {last} records before the last page, which has "
                f"{len(records)}.",
                hint="The size changed on the way. The next run begins with the first page.",
            )

    def _complaint(self, kept: KeptPages, document: Any) -> str:
        """What is wrong with an answer that may be right the next time."""
        try:
            records = self._records(document)
        except KeyError as error:
            return f"an answer without {error} on the way to {self.records}"
        return "the same page as before" if records and kept.has(records) else ""

    def _records(self, document: Any) -> list[Any]:
        found = value_at(document, self.records)
        return found if isinstance(found, list) else [found]


def _check_server(following: Ask | None, ask: Ask) -> None:
    """The next page's address comes from outside, and credentials go to one server only."""
    if following is not None and _server(following[0]) != _server(ask[0]):
        raise DataError(
            f"The next page of {ask[0]} was expected on the same server; its address leads to {_server(following[0])}.",
            hint="Is there something between here and the API?",
        )


def _server(url: str) -> str:
    address = urlsplit(url)
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"


def _on(value: str | int, day: date) -> str | int:
    if not isinstance(value, str):
        return value
    return value.replace(_DATE, str(day)).replace(_NEXT_DATE, str(day + timedelta(days=1)))
