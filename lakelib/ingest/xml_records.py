"""XML without entities: none is expanded, and no DTD, file or address is read for one."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from lakelib.errors import DeliveryRefusedError
from lakelib.ingest.records import Record

__all__ = ["likeliest_row", "xml_records"]

_ENTITY_ERRORS: Final = {etree.ErrorTypes.ERR_ENTITY_LOOP, etree.ErrorTypes.ERR_RESOURCE_LIMIT}
_ENCODING_ERRORS: Final = {
    etree.ErrorTypes.ERR_INVALID_ENCODING,
    etree.ErrorTypes.ERR_UNKNOWN_ENCODING,
    etree.ErrorTypes.ERR_UNSUPPORTED_ENCODING,
    etree.ErrorTypes.I18N_CONV_FAILED,
}


def xml_records(blocks: Iterator[bytes], *, row: str) -> Iterator[Record]:
    """The elements named `row`, numbered in the order they begin.

    An entity declaration of any kind refuses the document before anything is expanded, and so does the use of an
    entity that is declared elsewhere: its text would be lost.

    Raises:
        DeliveryRefusedError: XML_ENTITY, XML_SYNTAX, ENCODING, or SCHEMA_DUPLICATE_COLUMN for an attribute and a
            child of one name; possibly after good rows.
    """
    rows = _Rows(row)
    for event, element in _elements(blocks):
        if event == "start":
            rows.start(element)
        elif record := rows.end(element):
            yield record


def likeliest_row(blocks: Iterator[bytes]) -> str:
    """The name that most elements have of those with attributes or elements of their own; the inner one of two.

    Raises:
        DeliveryRefusedError: as `xml_records`.
    """
    seen: Counter[str] = Counter()
    for event, element in _elements(blocks):
        if event == "end":
            if len(element) or element.attrib:
                seen[_local_name(element.tag)] += 1
            _let_go(element)
    return seen.most_common(1)[0][0] if seen else "row"


def _elements(blocks: Iterator[bytes]) -> Iterator[tuple[str, etree._Element]]:
    """Each element as it begins and as it ends."""
    parser = etree.XMLPullParser(
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    for block in blocks:
        _feed(parser, block)
        for event, element in parser.read_events():
            assert isinstance(element, etree._Element)
            if event == "start" and element.getparent() is None:
                _check_entities_declared(element)
            yield event, element
    _close(parser)


class _Rows:
    """Which rows are open. Elements outside all rows are let go as they end, so that the tree stays small."""

    def __init__(self, row: str) -> None:
        self._row = row
        self._open: list[int] = []
        self._count = 0

    def start(self, element: etree._Element) -> None:
        if _local_name(element.tag) == self._row:
            self._count += 1
            self._open.append(self._count)

    def end(self, element: etree._Element) -> Record | None:
        record = None
        if _local_name(element.tag) == self._row:
            values = _values(element)
            record = Record(self._open.pop(), values, sum(len(value or "") for value in values.values()))
        if not self._open:
            _let_go(element)
        return record


def _feed(parser: etree.XMLPullParser, block: bytes) -> None:
    try:
        parser.feed(block)
    except etree.XMLSyntaxError as error:
        raise _broken(error) from error
    undeclared = etree.ErrorTypes.WAR_UNDECLARED_ENTITY
    if used := [entry.message for entry in parser.feed_error_log if entry.type == undeclared]:
        raise _entity(used[0])


def _close(parser: etree.XMLPullParser) -> None:
    try:
        parser.close()
    except etree.XMLSyntaxError as error:
        raise _broken(error) from error


def _check_entities_declared(root: etree._Element) -> None:
    dtd: Any = root.getroottree().docinfo.internalDTD
    for declared in dtd.iterentities() if dtd is not None else ():
        raise _entity(f"Entity {declared.name!r} is declared")


def _values(element: etree._Element) -> dict[str, str | None]:
    children: defaultdict[str, list[etree._Element]] = defaultdict(list)
    for child in element:
        children[_local_name(child.tag)].append(child)
    pairs: list[tuple[str, str | None]] = [
        (_local_name(str(name)), str(value)) for name, value in element.attrib.items()
    ]
    pairs += [(name, _content(found)) for name, found in children.items()]
    text = "".join([element.text or "", *(child.tail or "" for child in element)])
    if text.strip():
        pairs.append((_local_name(element.tag), text))
    values = dict(pairs)
    if len(values) != len(pairs):
        raise DeliveryRefusedError(
            f"attributes and children with distinct names were expected; found {', '.join(name for name, _ in pairs)}"
            f" in a {_local_name(element.tag)} element",
            hint="An attribute and a child of one name would be one column: rename one at the source.",
            reason="SCHEMA_DUPLICATE_COLUMN",
        )
    return values


def _content(children: list[etree._Element]) -> str | None:
    only = children[0]
    if len(children) == 1 and not len(only) and not only.attrib:
        return only.text
    return "\n".join(etree.tostring(child, encoding="unicode", with_tail=False) for child in children)


def _local_name(name: str) -> str:
    return name.rpartition("}")[2]


def _let_go(element: etree._Element) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _broken(error: etree.XMLSyntaxError) -> DeliveryRefusedError:
    code: int = error.code  # type: ignore[attr-defined]  # missing in the stubs
    if code in _ENTITY_ERRORS:
        return _entity(error.msg)
    is_encoding = code in _ENCODING_ERRORS
    return DeliveryRefusedError(
        f"{'text in the declared encoding' if is_encoding else 'well-formed XML'} was expected; {error.msg}",
        hint="Deliver the complete file, with the encoding that its first line declares.",
        reason="ENCODING" if is_encoding else "XML_SYNTAX",
    )


def _entity(found: str) -> DeliveryRefusedError:
    return DeliveryRefusedError(
        f"XML without entities was expected; {found}",
        hint="Deliver it with the text itself in place of the entity.",
        reason="XML_ENTITY",
    )
