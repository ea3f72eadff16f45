import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lakelib.engine.staged_files import NULL_COUNTS
from lakelib.ingest import parquet_file
from lakelib.ingest.parquet_file import ParquetFile

TEXTS = st.lists(st.none() | st.sampled_from(["", "a", "b" * 70]), min_size=3, max_size=3)


def written(tables: list[pa.Table], *, row_group_bytes: int) -> parquet.ParquetFile:
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        patched.setattr(parquet_file, "ROW_GROUP_BYTES", row_group_bytes)
        into = Path(folder) / "rows"
        with ParquetFile(into) as file:
            for table in tables:
                file.write(table)
        return parquet.ParquetFile(pa.BufferReader(into.read_bytes()))


@settings(deadline=None)
@given(tables=st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1, max_size=4), row_group_bytes=st.integers(1, 99))
def test_the_footer_tells_the_nulls_of_each_column(tables, row_group_bytes):
    """Also where a column comes later, and the rows before it have none."""
    texts = [first for first, _ in tables]
    later = next((number for number, (_, second) in enumerate(tables) if second is not None), len(tables))
    rows_given = [pa.table({"a": pa.array(first, pa.string()), "_source_row": [1, 2, 3]}) for first in texts]
    for number, (_, second) in list(enumerate(tables))[later:]:
        rows_given[number] = rows_given[number].append_column("b", pa.array(second or [None] * 3, pa.string()))
    file = written(rows_given, row_group_bytes=row_group_bytes)
    rows = file.read()
    assert json.loads(file.metadata.metadata[NULL_COUNTS.encode()]) == {
        name: rows[name].null_count for name in rows.column_names
    }
    assert rows["a"].to_pylist() == [value for first in texts for value in first]


def test_delivered_text_has_no_bounds_and_the_platforms_columns_have():
    file = written([pa.table({"a": ["1", "2"], "_source_file": ["x", "x"], "_source_row": [1, 2]})], row_group_bytes=1)
    group = file.metadata.row_group(0)
    told = {group.column(i).path_in_schema: group.column(i).statistics for i in range(group.num_columns)}
    assert told["a"] is None
    assert (told["_source_file"].min, told["_source_row"].max) == ("x", 2)
