"""Patterns of file names: which files are a source's deliveries, and of which date."""

import re
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Final

from lakelib.errors import UsageError

__all__ = ["UNDATED", "check_pattern", "delivery_date", "ending_of", "folder_of", "is_dated", "name_on"]

UNDATED: Final = date.min
_DATE: Final = re.compile(r"\{date(?::([^{}]*))?\}")
_ISO: Final = "%Y-%m-%d"
_DIGITS: Final = {"%Y": r"\d{4}", "%m": r"\d{2}", "%d": r"\d{2}"}
_EXAMPLE: Final = "An example is flights/flights_{date}.csv."


def check_pattern(pattern: str) -> None:
    """Folders, then a file's name. In the name, `*` stands for any characters and `{date}` for the delivery date.

    `{date}` is 2013-01-31; `{date:%Y%m%d}` is 20130131, of `%Y`, `%m` and `%d`, where the first of the month stands in
    for a day that is not there.

    Raises:
        UsageError: anything else.
    """
    path = PurePosixPath(pattern)
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise UsageError(
            f"The pattern {pattern!r} was asked for; it must name files below the landing folder.", hint=_EXAMPLE
        )
    rest = path.parent.as_posix() + _DATE.sub("", path.name).replace("*", "")
    if found := re.search(r"[*?\[\]{}]", rest):
        raise UsageError(
            f"The pattern {pattern!r} has {found[0]!r} where it stands for nothing.",
            hint="In the file's name, * stands for any characters and {date} for the delivery date; folders are "
            "searched with all below them.",
        )
    dates = _DATE.findall(path.name)
    if len(dates) > 1 or any(not _is_date_format(each) for each in dates if each):
        raise UsageError(
            f"The pattern {pattern!r} has a date twice, or one that is not of %Y, %m and %d.",
            hint="Write {date} for 2013-01-31, {date:%Y%m%d} for 20130131, {date:%Y-%m} for a month.",
        )


def folder_of(pattern: str) -> str:
    return PurePosixPath(pattern).parent.as_posix()


def ending_of(pattern: str) -> str:
    """`.csv`; empty for a pattern that names packed files and does not say what is in them."""
    return PurePosixPath(_DATE.sub("", _unpacked(pattern))).suffix


def is_dated(pattern: str) -> bool:
    return _DATE.search(pattern) is not None


def name_on(pattern: str, day: date) -> str:
    """The name, without folders, of the day's delivery; `*` stays."""
    return _DATE.sub(lambda match: day.strftime(match[1] or _ISO), PurePosixPath(pattern).name)


def delivery_date(name: str, pattern: str) -> date | None:
    """The date in a file's name: UNDATED where the pattern has none, None where the name is not the pattern's.

    `.gz` and `.zip` after the name are understood without being said.
    """
    match = re.fullmatch(_expression(pattern), name)
    if match is None:
        return None
    if not is_dated(pattern):
        return UNDATED
    try:
        return datetime.strptime(match["date"], _date_format(pattern)).date()
    except ValueError:
        return None


def _expression(pattern: str) -> str:
    before, *dated = _DATE.sub("{}", _unpacked(pattern)).split("{}")
    parts = [".*".join(map(re.escape, part.split("*"))) for part in (before, *dated)]
    digits = re.sub("%[Ymd]", lambda directive: _DIGITS[directive[0]], re.escape(_date_format(pattern)))
    return f"(?P<date>{digits})".join(parts) + r"(?:\.gz|\.zip)?"


def _unpacked(pattern: str) -> str:
    """The file's name without `.gz` or `.zip`."""
    name = PurePosixPath(pattern).name
    return name.removesuffix(".gz").removesuffix(".zip")


def _date_format(pattern: str) -> str:
    match = _DATE.search(pattern)
    return (match and match[1]) or _ISO


def _is_date_format(text: str) -> bool:
    directives = re.findall("%.?", text)
    return (
        set(directives) <= set(_DIGITS) and {"%Y", "%m"} <= set(directives) and len(set(directives)) == len(directives)
    )
