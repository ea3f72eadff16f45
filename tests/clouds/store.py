"""What the tests of landing ask of a store on this machine, whatever it speaks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from tests.clouds.gate import Gate

__all__ = ["BUCKET", "Store"]

BUCKET: Final = "acme-landing"


@dataclass
class Store(ABC):
    """It has one bucket, and looks at credentials. `options` lead through the gate, `client` past it.

    `secret` is what no file and no output may hold. `mistaken` has variables that replace those of `variables`, and
    words of what the store says to them.
    """

    scheme: ClassVar[str]
    some_pages: ClassVar[int]
    """So many bytes of answers let a few pages of an API be kept, and not all."""
    gate: Gate
    client: Any
    options: Mapping[str, Any]
    variables: Mapping[str, str]
    secret: str
    mistaken: Mapping[str, tuple[Mapping[str, str], str]]

    def uri(self, bucket: str = BUCKET) -> str:
        return f"{self.scheme}://{bucket}/lake"

    def put(self, name: str, content: bytes) -> None:
        """An object, or a folder's marker where the name ends in a slash."""
        self._put(f"lake/{name}", content)

    def names(self) -> list[str]:
        return sorted(name.removeprefix("lake/") for name in self._names())

    def empty(self) -> None:
        for name in self._names():
            self._delete(name)

    @abstractmethod
    def buckets(self) -> list[str]: ...

    @abstractmethod
    def _put(self, name: str, content: bytes) -> None: ...

    @abstractmethod
    def _names(self) -> list[str]: ...

    @abstractmethod
    def _delete(self, name: str) -> None: ...
