"""Records on their way to a table: columns of text, and beside them what did not parse."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa

from lakelib.ingest.columns import Columns

__all__ = ["CORRUPT", "NUMBER", "RECORD_LIMIT", "Corrupt", "Record", "Texts", "in_tables", "with_corrupt"]

Texts: TypeAlias = "pa.StringArray | pa.ChunkedArray[pa.StringScalar]"

CORRUPT: Final = "_corrupt_record"
NUMBER: Final = "_source_row"
RECORD_LIMIT: Final = 64 << 20
"""No single record is longer, in bytes or characters: what is, is a broken file, and must not fill the memory."""

_TABLE_CHARACTERS: Final = 1 << 20
_TABLE_RECORDS: Final = 8192


class Record(NamedTuple):
    """`values` by delivered name; `size` is about its length in characters."""

    number: int
    values: Mapping[str, str | None]
    size: int


class Corrupt(NamedTuple):
    """A record that does not parse; `text` is the code, what is wrong, and the record itself."""

    number: int
    text: str

    @property
    def size(self) -> int:
        return len(self.text)


def in_tables(records: Iterable[Record | Corrupt], columns: Columns) -> Iterator[pa.Table]:
    """Tables of bounded size: text columns by their names, then `_corrupt_record` and `_source_row`."""
    gathered: list[Record | Corrupt] = []
    size = 0
    for record in records:
        gathered.append(record)
        size += record.size
        if size >= _TABLE_CHARACTERS or len(gathered) >= _TABLE_RECORDS:
            yield _table(gathered, columns)
            gathered, size = [], 0
    if gathered:
        yield _table(gathered, columns)


def with_corrupt(
    good: Mapping[str, Texts], *, numbers: "Sequence[int] | pa.Int64Array", corrupt: Sequence[Corrupt]
) -> pa.Table:
    """The columns `good` with their record numbers, and the corrupt records between them as rows of nulls."""
    rows = pa.Table.from_arrays(
        [*good.values(), pa.nulls(len(numbers), pa.string()), pa.array(numbers, pa.int64())],
        names=[*good, CORRUPT, NUMBER],
    )
    if not corrupt:
        return rows
    set_aside = pa.Table.from_arrays(
        [
            pa.array([record.text for record in corrupt], pa.string()),
            pa.array([record.number for record in corrupt], pa.int64()),
        ],
        names=[CORRUPT, NUMBER],
    )
    return pa.concat_tables([rows, set_aside], promote_options="default").sort_by(NUMBER)


def _table(records: Sequence[Record | Corrupt], columns: Columns) -> pa.Table:
    good = [record for record in records if isinstance(record, Record)]
    delivered = list(dict.fromkeys(name for record in good for name in record.values))
    names = columns.admit(delivered)
    texts = [pa.array([record.values.get(name) for record in good], pa.string()) for name in delivered]
    return with_corrupt(
        dict(zip(names, texts, strict=True)),
        numbers=[record.number for record in good],
        corrupt=[record for record in records if isinstance(record, Corrupt)],
    )
