"""GET over HTTP that bears with what passes: refused connections, time-outs, 429 and 5xx, answers that are cut off."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self

import httpx
import orjson

from lakelib.errors import DataError, SourceAwayError
from lakelib.ingest.pagination import Ask
from lakelib.ingest.patience import Patience

__all__ = ["Answer", "PatientClient"]

_PASSING: Final = {408, 425, 429, 500, 502, 503, 504}
_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class Answer:
    """`document` is the body's JSON; `next_link` the absolute address that its Link header calls next."""

    body: bytes
    document: Any
    next_link: str


class _PassingError(Exception):
    """Worth another attempt; `wait` is what the server asks for."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class PatientClient:
    """Asks one server at a time and at most as often as agreed. Redirects are not followed: headers hold secrets."""

    def __init__(self, headers: Mapping[str, str], patience: Patience) -> None:
        self._client = httpx.Client(headers=dict(headers), timeout=patience.timeout_seconds)
        self._secrets = [value.rpartition(" ")[2] for value in headers.values()]
        self._patience = patience
        self._next_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, ask: Ask, *, complaint: Callable[[Any], str]) -> Answer | None:
        """The answer, None where nothing is found. It has no `complaint`, which is given the answer's document.

        Raises:
            DataError: the server refuses.
            SourceAwayError: what should pass did not pass.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._attempt(ask, complaint)
            except (_PassingError, httpx.RequestError) as error:  # no answer, or none that can be unpacked
                wait = self._wait(error, attempt)
                if attempt == self._patience.attempts or wait > self._patience.longest_wait_seconds:
                    raise SourceAwayError(
                        f"{_shown(ask)} was asked for {attempt} times; the last time: {self._clean(error)}.",
                        hint="Is the server well? Run again later.",
                    ) from None
                time.sleep(wait)

    def _attempt(self, ask: Ask, complaint: Callable[[Any], str]) -> Answer | None:
        self._take_turn()
        answer = self._client.get(httpx.URL(ask[0]).copy_merge_params(dict(ask[1])))
        if answer.status_code in _PASSING:
            raise _PassingError(f"status {answer.status_code}", _retry_after(answer))
        if answer.status_code == _NOT_FOUND:
            return None
        if not answer.is_success:
            raise DataError(
                f"{_shown(ask)} was asked for; the server answers {answer.status_code}: "
                f"{self._clean(answer.text[:200] or 'nothing more')}.",
                hint="Are address, parameters and credentials right? Redirects are not followed: name the new address.",
            )
        try:
            document = orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise _PassingError(f"an answer that is no JSON ({error})") from error
        if found := complaint(document):
            raise _PassingError(found)
        link = answer.links.get("next", {}).get("url", "")
        return Answer(answer.content, document, str(answer.url.join(link)) if link else "")

    def _take_turn(self) -> None:
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        self._next_at = time.monotonic() + self._patience.least_seconds_between

    def _wait(self, error: Exception, attempt: int) -> float:
        asked = error.wait if isinstance(error, _PassingError) else None
        return self._patience.backoff_seconds * 2 ** (attempt - 1) if asked is None else asked

    def _clean(self, told: object) -> str:
        text = str(told) or type(told).__name__
        for secret in filter(None, self._secrets):
            text = text.replace(secret, "…")
        return text


def _retry_after(answer: httpx.Response) -> float | None:
    """In seconds, which may be given as a date."""
    value = answer.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _shown(ask: Ask) -> str:
    """Without parameters, which may hold what is nobody's business."""
    return str(httpx.URL(ask[0]).copy_with(query=None))
