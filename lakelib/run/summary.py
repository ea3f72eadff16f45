"""The card at the end of a notebook: the same for every run that did the same, so without ids and times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from lakelib import events

__all__ = ["Summary"]

_LONGEST_LIST: Final = 10


@dataclass(frozen=True)
class Summary:
    """Text in a console, a small table in a notebook."""

    table: str
    interval: str
    events: tuple[events.Event, ...]

    def lines(self) -> list[tuple[str, str]]:
        """What the card says, line by line, as label and text."""
        return [("table", self.table), ("interval", self.interval), *self._facts()]

    def _facts(self) -> Iterator[tuple[str, str]]:
        for event in self.events:
            match event:
                case events.TableRead():
                    yield "read", event.table
                case events.Audited():
                    yield from _rows(event)
                case events.Published():
                    yield "published", _published(event)
                case _:
                    pass
        if not any(isinstance(event, events.Published) and event.table == self.table for event in self.events):
            yield "published", "nothing yet"
        yield from self._deliveries()

    def _deliveries(self) -> Iterator[tuple[str, str]]:
        seen = [event for event in self.events if isinstance(event, events.DeliverySeen)]
        if not seen and any(isinstance(event, events.Published) and event.verb == "load" for event in self.events):
            yield "deliveries", "none in this interval"
        for verdict in ("loaded", "known", "refused", "held"):
            names = [event.path for event in seen if event.verdict == verdict]
            if names:
                yield f"deliveries {verdict}", _listed(names)
        for ignored in (event for event in self.events if isinstance(event, events.FilesIgnored)):
            yield "files ignored", _ignored(ignored)
        if drift := sorted({column for event in seen for column in event.drift}):
            yield "columns not in the contract", _listed(drift)

    def __repr__(self) -> str:
        width = max(len(label) for label, _ in self.lines())
        return "\n".join(f"{label:<{width}}  {text}" for label, text in self.lines())

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(label)}</th><td style="text-align:left">{escape(text)}</td></tr>'
            for label, text in self.lines()
        )
        return f'<table class="lake-summary">{rows}</table>'


def _rows(audited: events.Audited) -> Iterator[tuple[str, str]]:
    total = audited.accepted + audited.quarantined + audited.superseded + audited.duplicates
    parts = {
        "accepted": audited.accepted,
        "superseded by a newer report": audited.superseded,
        "exact duplicates": audited.duplicates,
        "quarantined": audited.quarantined,
    }
    yield (
        "rows",
        f"{total:,}: "
        + ", ".join(f"{number:,} {label}" for label, number in parts.items() if number or label == "accepted"),
    )
    for outcome in audited.rules:
        yield f"rule broken ({outcome.level})", f"{outcome.rule}: {outcome.rows:,} rows"


def _published(published: events.Published) -> str:
    if not published.is_committed:
        return "nothing had to change"
    changes = {"inserted": published.inserted, "updated": published.updated, "deleted": published.deleted}
    return ", ".join(f"{number:,} {label}" for label, number in changes.items() if number) or "no rows"


def _ignored(ignored: events.FilesIgnored) -> str:
    return f"names do not fit {ignored.pattern}: {_listed(ignored.first, total=ignored.count)}"


def _listed(names: Sequence[str], *, total: int | None = None) -> str:
    shown, left = ", ".join(names[:_LONGEST_LIST]), (total or len(names)) - min(len(names), _LONGEST_LIST)
    return f"{shown} and {left} more" if left else shown
