from pathlib import Path

import pytest

from lakelib import ingest
from lakelib.errors import DeliveryRefusedError
from tests.ingest.delivering import load

ROWS = ingest.xml("drop", row="r")


@pytest.mark.parametrize(
    ("element", "row"),
    [
        ('<r a="1" b=""/>', {"a": "1", "b": ""}),
        ("<r><a> 1 </a><b/></r>", {"a": " 1 ", "b": None}),
        ("<r>text &amp; more &#228;</r>", {"r": "text & more ä"}),
        ("<r><a>x<!-- no -->y<?no no?>z</a></r>", {"a": "xyz"}),
        ("<r><a><![CDATA[<&]]></a></r>", {"a": "<&"}),
        ("<r><a>1</a><b>2</b><a>3</a></r>", {"a": "<a>1</a>\n<a>3</a>", "b": "2"}),
        ('<r><a x="1">t</a></r>', {"a": '<a x="1">t</a>'}),
        ('<n:r xmlns:n="urn:n" n:a="1"><n:b>2</n:b></n:r>', {"a": "1", "b": "2"}),
    ],
)
def test_attributes_and_children_are_the_columns(tmp_path: Path, element: str, row: dict[str, str | None]) -> None:
    rows = load(tmp_path, f"<rows><group>{element}</group></rows>".encode(), ROWS)
    assert rows.select(list(row)).to_pylist() == [row]
    assert rows.column_names.index("_corrupt_record") == len(row)


def test_rows_are_found_anywhere_and_numbered_as_they_begin(tmp_path: Path) -> None:
    rows = load(tmp_path, b'<x><r a="1"/><y><r a="2"><r a="3"/></r></y><!-- <r a="0"/> --></x>', ROWS)
    assert dict(zip(rows["a"].to_pylist(), rows["_source_row"].to_pylist(), strict=True)) == {"1": 1, "2": 2, "3": 3}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EMPTY_FILE"),
        (b"<x><s/></x>", "NO_ROWS"),
        (b"<x><r a='1'/>", "XML_SYNTAX"),
        (b"<x><r a='1'/></x>more", "XML_SYNTAX"),
        (b"no xml", "XML_SYNTAX"),
        (b"<x><r a='1'/>&foo;</x>", "XML_SYNTAX"),
        (b"<x><r a='\xff'/></x>", "ENCODING"),
        (b"<?xml version='1.0' encoding='klingon'?><r a='1'/>", "ENCODING"),
        (b"<x><r b='1'/></x>", "SCHEMA_MISSING_COLUMN"),
        (b"<x><r a='1'><a>2</a></r></x>", "SCHEMA_DUPLICATE_COLUMN"),
        (b"<!DOCTYPE x [<!ENTITY e 'E'>]><x><r a='1'/></x>", "XML_ENTITY"),
        (b"<!DOCTYPE x [<!ENTITY % e 'E'>]><x><r a='1'/></x>", "XML_ENTITY"),
        (b"<!DOCTYPE x [<!ENTITY % e SYSTEM 'drop'> %e;]><x><r a='1'/></x>", "XML_ENTITY"),
        (b"<!DOCTYPE r [<!ENTITY e '&e;'>]><r a='&e;'/>", "XML_ENTITY"),
        (b"<!DOCTYPE x SYSTEM 'no.dtd'><x><r a='1'>&nbsp;</r></x>", "XML_ENTITY"),
        (b"<!DOCTYPE x SYSTEM 'no.dtd'><x><r a='&nbsp;'/></x>", "XML_ENTITY"),
    ],
)
def test_broken_documents_are_refused_whole(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(DeliveryRefusedError) as refused:
        load(tmp_path, content, ROWS, required=["a"])
    assert refused.value.reason == reason
    assert [path.name for path in tmp_path.iterdir()] == ["drop"]


def test_a_dtd_that_is_not_needed_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real.dtd").write_text('<!ATTLIST r b CDATA "from the DTD">')
    rows = load(tmp_path, b"<!DOCTYPE x SYSTEM 'real.dtd'><x><r a='1'/></x>", ROWS)
    assert rows.column_names[:2] == ["a", "_corrupt_record"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_declared_encoding_holds(tmp_path: Path, encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?><x><r a="ä"/></x>'.encode(encoding)
    assert load(tmp_path, content, ROWS)["a"].to_pylist() == ["ä"]


def test_documents_longer_than_a_block_are_read_whole(tmp_path: Path) -> None:
    content = "".join(f"<g><r><a>{n}</a></r></g>\n" for n in range(100_000))
    rows = load(tmp_path, f"<x>{content}</x>".encode(), ROWS)
    assert rows["a"].to_pylist() == [str(n) for n in range(100_000)]
    assert rows["_source_row"].to_pylist() == list(range(1, 100_001))
