"""Plain charts for the end of a notebook: SVG, the same to the last byte for every run over the same rows.

Drawn here because a plotting library takes longer to load and to draw than most notebooks take to run, and makes other
bytes on another machine.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["Chart", "bar_chart", "line_chart"]

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 640, 34, 210
_COLOURS: Final = ("#1f6f8b", "#d1603d", "#5b8c3a", "#7a5195", "#b8860b", "#555555")
_STEPS: Final = (1, 2, 5, 10)  # of an axis, times a power of ten
_MOST_STEPS: Final = 5
_LABEL_WIDTH: Final = 7  # of a character
_BAR: Final = 0.7  # of a bar's place
_TOO_HIGH: Final = 1e300  # the steps of an axis that went beyond would overflow


@dataclass(frozen=True)
class Chart:
    """A picture in a notebook and on its page; its title in a console."""

    title: str
    svg: str

    def __repr__(self) -> str:
        return f"chart: {self.title}"

    def _repr_svg_(self) -> str:
        return self.svg


@dataclass(frozen=True)
class _Axis:
    """Whole steps below and above all values."""

    low: float
    high: float
    step: float

    @property
    def marks(self) -> list[float]:
        return [self.low + number * self.step for number in range(round((self.high - self.low) / self.step) + 1)]

    def height(self, value: float) -> float:
        return _BOTTOM - (value - self.low) / (self.high - self.low) * (_BOTTOM - _TOP)


def line_chart(df: "DataFrame", *, title: str, x: str, y: str, by: str | None = None) -> Chart:
    """Column `y` along `x`, in the order of `x`; a line for each of the first six values of `by`.

    A null, NaN and infinity are gaps. All rows of `df` are drawn: a few hundred. Without rows the chart is empty.
    """
    rows = df.orderBy(x).select(_label(df, x), y, *([_label(df, by)] if by else [])).collect()
    labels = list(dict.fromkeys(str(row[x]) for row in rows))
    places = {label: _place(number, len(labels)) for number, label in enumerate(labels)}
    values = [_drawn(row[y]) for row in rows]
    axis = _axis([value for value in values if value is not None])
    names = sorted({str(row[by]) for row in rows}) if by else [""]
    parts: list[str] = []
    for name, colour in zip(names, _COLOURS, strict=False):
        told = zip(rows, values, strict=True)
        line = [(places[str(row[x])], value) for row, value in told if by is None or str(row[by]) == name]
        parts += _line(line, axis, colour)
        parts.append(_text(_RIGHT + 12, _TOP + 8 + 18 * names.index(name), name, colour=colour))
    if (more := len(names) - len(_COLOURS)) > 0:
        parts.append(_text(_RIGHT + 12, _TOP + 8 + 18 * len(_COLOURS), f"and {more} more"))
    return _chart(title, axis, labels, parts)


def bar_chart(df: "DataFrame", *, title: str, x: str, y: str) -> Chart:
    """A bar of height `y` for each `x`, in the order of the rows: a few dozen. A null, NaN and infinity have none."""
    rows = df.select(_label(df, x), y).collect()
    values = [_drawn(row[y]) for row in rows]
    axis = _axis([0, *(value for value in values if value is not None)])
    width = _BAR * (_RIGHT - _LEFT) / max(len(rows), 1)
    bars = [_bar(_place(number, len(rows)), value, axis, width) for number, value in enumerate(values) if value]
    return _chart(title, axis, [str(row[x]) for row in rows], bars)


def _label(df: "DataFrame", name: str) -> "Column | str":
    """An instant as text by the engine, so in UTC: Python would get this machine's time."""
    from pyspark.sql import functions as F

    return F.col(name).cast("string").alias(name) if df.schema[name].dataType.typeName() == "timestamp" else name


def _drawn(value: Any) -> float | None:
    """A decimal as well as a float; None for what has no height, NaN being below no number."""
    return float(value) if value is not None and abs(value) < _TOO_HIGH else None


def _place(number: int, count: int) -> float:
    return _LEFT + (number + 0.5) * (_RIGHT - _LEFT) / count


def _axis(values: Sequence[float]) -> _Axis:
    low, high = min(values, default=0.0), max(values, default=1.0)
    rough = ((high - low) or abs(high) or 1) / _MOST_STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in _STEPS if times * power >= rough * (1 - 1e-9))
    lowest = math.floor(low / step)
    return _Axis(lowest * step, max(math.ceil(high / step), lowest + 1) * step, step)


def _line(points: Iterable[tuple[float, float | None]], axis: _Axis, colour: str) -> list[str]:
    """A stroke for each run of points without a gap, and a dot on each point, so that one alone is seen."""
    told: list[str] = []
    for is_gap, stroke in groupby(points, key=lambda point: point[1] is None):
        if not is_gap:
            drawn = [(place, axis.height(value)) for place, value in stroke if value is not None]
            path = " ".join(f"{place:.1f},{height:.1f}" for place, height in drawn)
            told.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
            told += [f'<circle cx="{place:.1f}" cy="{height:.1f}" r="2" fill="{colour}"/>' for place, height in drawn]
    return told


def _bar(place: float, value: float, axis: _Axis, width: float) -> str:
    top, bottom = sorted((axis.height(value), axis.height(0)))
    return (
        f'<rect x="{place - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{bottom - top:.1f}" '
        f'fill="{_COLOURS[0]}"/>'
    )


def _chart(title: str, axis: _Axis, labels: Sequence[str], parts: Sequence[str]) -> Chart:
    longest = max(map(len, labels), default=1)
    apart = math.ceil(len(labels) * (longest + 2) * _LABEL_WIDTH / (_RIGHT - _LEFT)) or 1
    grid = [
        f'<path d="M{_LEFT} {axis.height(mark):.1f}H{_RIGHT}" stroke="#dddddd"/>'
        + _text(_LEFT - 8, axis.height(mark) + 4, f"{mark:,.10g}", anchor="end")
        for mark in axis.marks
    ]
    shown = [
        _text(_place(number, len(labels)), _BOTTOM + 18, label, anchor="middle")
        for number, label in enumerate(labels)
        if number % apart == 0
    ]
    head = f'<text x="{_LEFT}" y="18" font-size="14" font-weight="bold">{escape(title)}</text>'
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#333333">'
    )
    return Chart(title, "\n".join([start, head, *grid, *shown, *parts, "</svg>"]))


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = "#333333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
