"""A first contract, written from rows: what is certain as fields, what a person has to decide as comments."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from lakelib.contracts.column_types import Values, spark_name, text_type, trimmed
from lakelib.contracts.keys import candidate_keys
from lakelib.contracts.types import logical_type
from lakelib.names import TableName

__all__ = ["infer_contract"]

_SENTINELS: Final = ("", "-", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "Null", "null", "None")
_MOST_VALUES: Final = 12
_ROWS_FOR_EACH_VALUE: Final = 5
_MOST_OTHER_KEYS: Final = 3
_LONGEST_PATTERN: Final = 20
_CLASSES: Final = ("[0-9]", "[A-Z]", "[a-z]", "[A-Z0-9]", "[a-z0-9]", "[A-Za-z0-9]")
_NUMBERS: Final = ("tinyint", "smallint", "int", "bigint", "decimal")
_KEY_TYPES: Final = ("string", "tinyint", "smallint", "int", "bigint", "date", "timestamp")
_DELIVERY: Final = "_source_sha256"
_NOT_PLAIN: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class _Inferred:
    """A column: its rows as they came, and the type they can have."""

    name: str
    type: str
    values: Values

    @property
    def is_required(self) -> bool:
        return len(self.values) > 0 and self.values.null_count == 0


def infer_contract(
    name: TableName, rows: pa.Table, *, key: Sequence[str] = (), others: Collection[frozenset[str]] = ()
) -> str:
    """A contract for table `name` as YAML, from all of its rows or many of them; the same rows give the same text.

    Bronze: the columns with the types they have, and no rules. `others` are the names of the columns in deliveries that
    the rows are not of: what not all of them have may be absent, and a name that may be a former one is a comment.
    Silver and gold: text becomes the narrowest type that loses nothing, columns without a null are required, and the
    smallest key of the rows is the primary key; other keys, ranges, patterns and enumerations are comments, to be
    accepted by taking the `#` away. Columns that begin with `_` are the platform's: they are left out, rows of
    `_corrupt_record` do not count, and rows of bronze that know their delivery tell newer from older by it.
    """
    rows = _readable(rows)
    columns = [_inferred(field, rows[field.name], name) for field in rows.schema if not field.name.startswith("_")]
    if name.layer == "bronze":
        return "\n".join([*_head(name), "    properties:", *_delivered(columns, others), ""])
    key, *other_keys = [tuple(key)] if key else _keys(rows, columns) or [()]
    lines = [*_head(name), *_ages(rows), *_other_keys(other_keys, key), "    properties:"]
    for column in columns:
        lines += [*_column(column), *_promises(column, key)]
    return "\n".join([*lines, ""])


def _readable(rows: pa.Table) -> pa.Table:
    if "_corrupt_record" not in rows.column_names:
        return rows
    return rows.filter(pc.is_null(rows["_corrupt_record"]))


def _inferred(field: "pa.Field[Any]", values: Values, name: TableName) -> _Inferred:
    kind = spark_name(field.type)
    if kind == "string":
        values = values.cast(pa.string())
        kind = "string" if name.layer == "bronze" else text_type(values)
    return _Inferred(field.name, kind, values)


def _head(name: TableName) -> Iterator[str]:
    yield "apiVersion: v3.1.0"
    yield "kind: DataContract"
    yield f"id: {name}"
    yield f"name: {name.table.replace('_', ' ').capitalize()}"
    yield "version: 1.0.0"
    yield "status: draft"
    yield "# domain: which part of the business"
    yield "# team: {name: who answers for it}"
    yield "schema:"
    yield f"  - name: {name.table}"
    yield f"    physicalName: {name}"
    yield "    logicalType: object"
    yield "    physicalType: table"
    yield "    # description: what one row is"


def _ages(rows: pa.Table) -> Iterator[str]:
    if "_delivered_on" in rows.column_names and rows["_delivered_on"].null_count < rows.num_rows:
        yield "    customProperties:"
        yield "      - property: newestBy"
        yield "        value: _delivered_on"


def _keys(rows: pa.Table, columns: Sequence[_Inferred]) -> list[tuple[str, ...]]:
    among = [column.name for column in columns if column.type in _KEY_TYPES]
    return candidate_keys(rows, among=among, within=_DELIVERY if _DELIVERY in rows.column_names else None)


def _other_keys(others: Sequence[tuple[str, ...]], key: Sequence[str]) -> Iterator[str]:
    if not key:
        yield "    # No column, and no two or three of them, are a key: merge and overwrite need one."
    for other in others[:_MOST_OTHER_KEYS]:
        yield f"    # Could be the key as well: {', '.join(other)}"


def _column(column: _Inferred) -> Iterator[str]:
    yield f"      - name: {_scalar(column.name)}"
    yield f"        logicalType: {logical_type(column.type)}"
    yield f"        physicalType: {_scalar(column.type)}"


def _delivered(columns: Sequence[_Inferred], others: Collection[frozenset[str]]) -> Iterator[str]:
    """The columns, and those that only other deliveries have, if all are text."""
    own = [column.name for column in columns]
    deliveries = [frozenset(own), *others]
    known = {name.lower() for name in own}
    gone = {name.lower(): name for each in others for name in sorted(each) if name.lower() not in known}
    for column in columns:
        former = next((name for name in gone.values() if _may_be_former(name, column.name, deliveries)), None)
        yield from _column(column)
        yield from _absence(column.name, deliveries, former)
        if former:
            del gone[former.lower()]
    if all(column.type == "string" for column in columns):
        for name in gone.values():
            yield from _column(_Inferred(name, "string", pa.chunked_array([[]], pa.string())))
            yield from _absence(name, deliveries, None)


def _absence(name: str, deliveries: Sequence[frozenset[str]], former: str | None) -> Iterator[str]:
    if not all(_has(each, name) for each in deliveries):
        yield "        customProperties:"
        yield "          - {property: mayBeAbsent, value: true}"
    if former:
        yield f"          # - {{property: formerNames, value: [{_quoted(former)}]}}"


def _may_be_former(former: str, name: str, deliveries: Sequence[frozenset[str]]) -> bool:
    """Whether no delivery has both names, and one begins as the other but for what is no letter or digit."""
    if any(_has(each, former) and _has(each, name) for each in deliveries):
        return False
    letters = [re.sub(r"[^a-z0-9]", "", each.lower()) for each in (former, name)]
    shorter, longer = sorted(letters, key=len)
    return bool(shorter) and longer.startswith(shorter)


def _has(delivery: frozenset[str], name: str) -> bool:
    return name.lower() in {each.lower() for each in delivery}


def _promises(column: _Inferred, key: Sequence[str]) -> Iterator[str]:
    if column.name in key:
        yield "        primaryKey: true"
        yield f"        primaryKeyPosition: {key.index(column.name) + 1}"
    elif column.is_required:
        yield "        required: true"
    if column.values.null_count == len(column.values):
        yield "        # never has a value"
    elif column.type == "string":
        yield from _proposals_for_text(column)
    elif column.type.partition("(")[0] in _NUMBERS:
        yield from _range(column)


def _proposals_for_text(column: _Inferred) -> Iterator[str]:
    distinct = pc.unique(column.values.drop_null()).sort()
    if (kind := _but_for_sentinels(distinct)) is not None:
        yield f"        # {kind}, but for values that may stand for null: {_listed(_sentinels(distinct))}"
    elif (pattern := _pattern(distinct)) is not None:
        yield f"        # logicalTypeOptions: {{pattern: {json.dumps(pattern)}}}"
    if len(distinct) <= min(_MOST_VALUES, len(column.values) // _ROWS_FOR_EACH_VALUE):
        values = ", ".join(f"{{value: {_quoted(value)}}}" for value in distinct.to_pylist())
        yield f"        # enum: [{values}]"


def _but_for_sentinels(distinct: Any) -> str | None:
    """The type of the values that are no sentinel; None where that is text, or where there are no sentinels."""
    others = distinct.filter(pc.invert(_is_sentinel(distinct)))
    if len(others) in (0, len(distinct)):
        return None
    kind = text_type(pa.chunked_array([others]))
    return None if kind == "string" else kind


def _sentinels(distinct: Any) -> list[str]:
    found: list[str] = distinct.filter(_is_sentinel(distinct)).to_pylist()
    return found


def _is_sentinel(distinct: Any) -> Any:
    return pc.is_in(trimmed(distinct), value_set=pa.array(_SENTINELS))


def _pattern(distinct: Any) -> str | None:
    """One class of characters that all values are made of, with the lengths they have."""
    lengths = pc.utf8_length(distinct)
    least, most = pc.min(lengths).as_py(), pc.max(lengths).as_py()
    if not 0 < least <= most <= _LONGEST_PATTERN:
        return None
    times = f"{{{least}}}" if least == most else f"{{{least},{most}}}"
    made = (f"^{each}{times}$" for each in _CLASSES)
    return next((each for each in made if pc.all(pc.match_substring_regex(distinct, each)).as_py()), None)


def _range(column: _Inferred) -> Iterator[str]:
    values = trimmed(column.values) if pa.types.is_string(column.values.type) else column.values
    numbers = pc.cast(values, pa.decimal128(38, _scale(column.type)))
    yield f"        # logicalTypeOptions: {{minimum: {pc.min(numbers)}, maximum: {pc.max(numbers)}}}"


def _scale(kind: str) -> int:
    digits = re.search(r",\s*(\d+)\)", kind)
    return int(digits[1]) if digits else 0


def _listed(values: Sequence[str]) -> str:
    return ", ".join(map(_quoted, values))


def _quoted(value: str | None) -> str:
    """In YAML, on one line: JSON leaves characters as they are that end a line there, or that it has not."""
    return _NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _scalar(text: str) -> str:
    """As YAML reads it back: plain where it can be."""
    is_plain = re.fullmatch(r"[A-Za-z_][\w.,<>()]*", text) and yaml.safe_load(text) == text
    return text if is_plain else _quoted(text)
