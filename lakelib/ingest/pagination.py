"""How an API's next page is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from lakelib.errors import DataError

__all__ = ["Ask", "ByCursor", "ByLink", "ByPage", "Page", "Pagination", "Parameters", "SinglePage", "value_at"]

Parameters: TypeAlias = Mapping[str, str | int]
Ask: TypeAlias = tuple[str, Parameters]
"""An address and its parameters."""


@dataclass(frozen=True)
class Page:
    """What was asked for, and the answer: its JSON, its records, the address that its Link header calls next."""

    ask: Ask
    document: Any
    records: Sequence[Any]
    next_link: str


class Pagination(Protocol):
    """Which requests get all pages."""

    def first(self, parameters: Parameters) -> Parameters:
        """The parameters of the first page."""
        ...

    def following(self, page: Page) -> Ask | None:
        """What to ask for after a page; None after the last one."""
        ...


@dataclass(frozen=True)
class SinglePage:
    """One answer has everything."""

    def first(self, parameters: Parameters) -> Parameters:
        return parameters

    def following(self, page: Page) -> Ask | None:
        return None


@dataclass(frozen=True)
class ByPage:
    """Pages have numbers, up to one that has no records or is not found; `size` asks for their size.

    ByPage("page", size={"per_page": 100})
    """

    parameter: str = "page"
    start: int = 1
    size: Parameters = field(default_factory=dict)

    def first(self, parameters: Parameters) -> Parameters:
        return {**parameters, **self.size, self.parameter: self.start}

    def following(self, page: Page) -> Ask | None:
        url, parameters = page.ask
        return (url, {**parameters, self.parameter: int(parameters[self.parameter]) + 1}) if page.records else None


@dataclass(frozen=True)
class ByCursor:
    """Each page holds at `path` (`meta.next`) the `parameter` that gives the next one, the last one nothing."""

    parameter: str
    path: str

    def first(self, parameters: Parameters) -> Parameters:
        return parameters

    def following(self, page: Page) -> Ask | None:
        url, parameters = page.ask
        cursor = _next_at(page, self.path)
        return (url, {**parameters, self.parameter: cursor}) if cursor else None


@dataclass(frozen=True)
class ByLink:
    """Each page gives the address of the next one: at `path`, or in its Link header (RFC 8288)."""

    path: str = ""

    def first(self, parameters: Parameters) -> Parameters:
        return parameters

    def following(self, page: Page) -> Ask | None:
        link = _next_at(page, self.path) if self.path else page.next_link
        return (str(link), {}) if link else None


def value_at(document: Any, path: str) -> Any:
    """What stands in the document under the keys, joined by dots. Raises KeyError where nothing does."""
    for key in path.split(".") if path else []:
        if not isinstance(document, dict):
            raise KeyError(key)
        document = document[key]
    return document


def _next_at(page: Page, path: str) -> Any:
    """The last page may leave the last key out, but no page those before it."""
    parent, _, key = path.rpartition(".")
    try:
        return dict(value_at(page.document, parent)).get(key)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"The next page was looked for at {path} of {page.ask[0]}; nothing is there.",
            hint="Look at an answer: the path is of keys joined by dots.",
        ) from error
