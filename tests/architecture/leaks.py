"""What must not stand in a file that is shared: addresses of package indexes, folders of one machine, secrets."""

import re
from collections.abc import Iterator
from typing import Final

# Joined from parts, so that this file does not contain what it looks for.
_INDEXES: Final = ("pypi" + r"\.org", "pythonhosted" + r"\.org", "repo\\." + "maven", "repo1\\." + "maven")
_LEAKS: Final = {
    "address of a package index": re.compile("|".join(_INDEXES) + r"|--(?:extra-)?index-url\b|--find[-]links\b"),
    "address inside a private network": re.compile(
        r"https?://(?:10\.\d|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)|https?://[\w.-]+\.(?:internal|local|lan|corp)\b"
    ),
    "address with credentials": re.compile(r"\b[a-z][a-z0-9+]*://[^\s/:@\"'<>{}$]+:[^\s/@\"'<>{}$]+@"),
    "folder of one machine": re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|workspace|mnt|scratch)/[\w.-]"),
    "private key": re.compile("-----BEGIN " + r"[A-Z ]*PRIVATE KEY"),
    "access token": re.compile(
        r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10,}|sk-[A-Za-z0-9_-]{32,})\b"
    ),
    "secret in plain text": re.compile(
        r"\b\w*(?:passw(?:or)?d|secret|api_?key|access_?key|token)\w*[\"']?\s*[:=]\s*[\"'](?!env:|file:)[^\"'\s{}<>$]{8,}[\"']",
        re.IGNORECASE,
    ),
}


def leaks(text: str) -> Iterator[tuple[int, str]]:
    """Line number and what was found there."""
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in _LEAKS.items():
            if match := pattern.search(line):
                yield number, f"{what}: {match.group()[:60]}"
