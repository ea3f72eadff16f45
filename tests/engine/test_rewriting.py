import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from lakelib.engine import Commit, Merge, Written
from lakelib.engine.adoption import adopt
from lakelib.engine.delta_writes import merge_rows, write_options
from lakelib.engine.embedded import EmbeddedEngine, _bounded
from lakelib.engine.rewriting import merge_by_rewriting
from lakelib.errors import EngineError
from lakelib.settings import EmbeddedSettings
from tests.engine.conftest import BY_KEY, DIFFERS, Shelf

Rows = dict[int, str | None]
Versioned = dict[int, tuple[int | None, str | None]]

_NAN = math.nan  # itself is found again by `==`, as by `is`
_ANY_TYPE: list[tuple[pa.DataType, Any, Any]] = [
    (pa.string(), "a", "b"),
    (pa.int64(), 1, 2**62),
    (pa.decimal128(38, 2), Decimal("1.10"), Decimal("-9.99")),
    (pa.date32(), date(2013, 1, 1), date(9999, 12, 31)),
    (pa.timestamp("us", "UTC"), datetime(2013, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    (pa.float64(), _NAN, float("inf")),
    (pa.bool_(), True, False),
    (pa.binary(), b"\x00", b"\xff"),
    (pa.list_(pa.string()), ["a"], [None, "b"]),
    (pa.struct([("x", pa.int32())]), {"x": 1}, {"x": None}),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedEngine]:
    opened = EmbeddedEngine()
    yield opened
    opened.close()


@pytest.fixture
def lie(engine: EmbeddedEngine, tmp_path: Path) -> Callable[..., Shelf]:
    """A table of several files: one for each of the given sets of rows."""

    def laid(*files: Sequence[tuple[int | None, str | None]]) -> Shelf:
        shelf = Shelf(engine, tmp_path).create()
        for rows in files:
            shelf.append(*rows)
        return shelf

    return laid


def _rewritten(shelf: Shelf, rows: Sequence[tuple[int | None, str | None]], merge: Merge) -> Written | None:
    staged, table = shelf.stage(rows), DeltaTable(shelf.table)
    written = merge_by_rewriting(staged, table, session=shelf.engine.session, merge=merge, commit=shelf.commit())
    assert not list(shelf.folder.glob("*.merged"))
    return written


def _files(shelf: Shelf) -> set[str]:
    return set(DeltaTable(shelf.table).file_uris())


@pytest.mark.parametrize("merge", [Merge(BY_KEY, DIFFERS), Merge(BY_KEY, DIFFERS, is_deleting_missing=True)])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.dictionaries(st.integers(1, 8), st.none() | st.sampled_from("ab"), min_size=1),
    given_rows=st.dictionaries(st.integers(1, 8), st.none() | st.sampled_from("ab")),
    cut=st.integers(0, 8),
)
def test_rewriting_does_what_a_merge_of_delta_rs_does(
    engine: EmbeddedEngine,
    tmp_path_factory: pytest.TempPathFactory,
    merge: Merge,
    held: Rows,
    given_rows: Rows,
    cut: int,
) -> None:
    one, other = (Shelf(engine, tmp_path_factory.mktemp("shelf")).create() for _ in range(2))
    for shelf in (one, other):
        for rows in ([*held.items()][:cut], [*held.items()][cut:]):
            if rows:
                shelf.append(*rows)
    written = _rewritten(one, [*given_rows.items()], merge)
    staged = other.stage([*given_rows.items()])
    assert written == merge_rows(staged, DeltaTable(other.table), merge=merge, commit=other.commit())
    assert one.rows() == other.rows()


_AGES = st.none() | st.integers(1, 3)
_VALUES = st.none() | st.sampled_from("ab")
_NEWER = "s.age > t.age OR (t.age IS NULL AND s.age IS NOT NULL)"
_TIED = "s.age IS NOT DISTINCT FROM t.age"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.dictionaries(st.integers(1, 6), st.tuples(_AGES, _VALUES), min_size=1),
    given_rows=st.dictionaries(st.integers(1, 6), st.tuples(_AGES, _VALUES)),
)
def test_a_merge_that_tells_newer_rows_sooner_is_the_same_merge(
    engine: EmbeddedEngine, tmp_path_factory: pytest.TempPathFactory, held: Versioned, given_rows: Versioned
) -> None:
    update_when = f"({_NEWER}) OR (({_TIED}) AND ({DIFFERS}))"
    answers = []
    for merge in (Merge(BY_KEY, update_when), Merge(BY_KEY, update_when, newer_when=_NEWER, tied_when=_TIED)):
        folder = tmp_path_factory.mktemp("table")
        table, staged = str(folder / "table"), folder / "staged"
        schema = pa.schema({"key": pa.int32(), "age": pa.int32(), "value": pa.string()})
        write_deltalake(table, _table(held, schema))
        staged.mkdir()
        pq.write_table(_table(given_rows, schema), staged / "part.parquet")
        written = merge_by_rewriting(
            str(staged), DeltaTable(table), session=engine.session, merge=merge, commit=Commit("{}", "a")
        )
        answers.append((written, DeltaTable(table).to_pyarrow_table().sort_by("key").to_pylist()))
    assert answers[0] == answers[1]
    expected = held | {
        key: (age, value)
        for key, (age, value) in given_rows.items()
        if key not in held or (age or 0, (age, value) != held[key]) > (held[key][0] or 0, False)
    }
    assert answers[0][1] == _table(dict(sorted(expected.items())), schema).to_pylist()


def _table(rows: Versioned, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(
        [{"key": key, "age": age, "value": value} for key, (age, value) in rows.items()], schema
    )


def test_files_without_a_row_that_changes_stay(lie: Callable[..., Shelf]) -> None:
    shelf = lie([(1, "a"), (5, "a")], [(2, "b"), (6, "b")], [(3, "c"), (7, "c")], [(20, "far")])
    before = _files(shelf)
    written = _rewritten(shelf, [(2, "new"), (3, "c"), (4, "d")], Merge(BY_KEY, DIFFERS))
    assert written == Written(5, inserted=1, updated=1)
    assert shelf.rows() == [(1, "a"), (2, "new"), (20, "far"), (3, "c"), (4, "d"), (5, "a"), (6, "b"), (7, "c")]
    assert len(before - _files(shelf)) == 1
    assert [version.metrics for version in shelf.engine.history(shelf.table, limit=1)] == [
        {"num_target_rows_inserted": "1", "num_target_rows_updated": "1", "num_target_rows_deleted": "0"}
    ]


def test_rows_of_new_keys_alone_are_adopted_as_they_were_staged(lie: Callable[..., Shelf]) -> None:
    shelf = lie([(1, "a")], [(2, "b")])
    before = _files(shelf)
    assert _rewritten(shelf, [(9, "new"), (8, None)], Merge(BY_KEY, DIFFERS)) == Written(3, inserted=2)
    assert before < _files(shelf)
    assert shelf.rows() == [(1, "a"), (2, "b"), (8, None), (9, "new")]


def test_many_files_are_one_plan(lie: Callable[..., Shelf]) -> None:
    shelf = lie(*([(number, "a"), (number + 150, "a")] for number in range(150)))
    rows = [(number, "b") for number in range(0, 300, 2)]
    assert _rewritten(shelf, rows, Merge(BY_KEY, DIFFERS)) == Written(151, updated=150)
    assert sum(value == "b" for _, value in shelf.rows()) == 150
    assert len(shelf.rows()) == 300


@pytest.mark.parametrize(
    ("held", "rows"),
    [
        pytest.param([[(1, "a")], [(1, "b")]], [(1, "c")], id="of the table"),
        pytest.param([[(1, "a"), (2, "a")]], [(1, "b"), (1, "c")], id="of the staged rows"),
    ],
)
def test_a_key_that_comes_twice_is_left_to_delta_rs(
    lie: Callable[..., Shelf], held: list[list[tuple[int, str]]], rows: list[tuple[int, str]]
) -> None:
    shelf = lie(*held)
    before = shelf.rows()
    assert _rewritten(shelf, rows, Merge(BY_KEY, DIFFERS)) is None
    assert shelf.rows() == before


@pytest.mark.parametrize(
    "properties", [{"delta.enableChangeDataFeed": "true"}, {"delta.constraints.small": "key < 9"}], ids=str
)
def test_a_table_that_asks_more_of_its_writers_is_left_to_delta_rs(
    lie: Callable[..., Shelf], properties: dict[str, str]
) -> None:
    shelf = lie([(1, "a")])
    name, value = next(iter(properties.items()))
    if "constraints" in name:
        DeltaTable(shelf.table).alter.add_constraint({"small": value})
    else:
        DeltaTable(shelf.table).alter.set_table_properties(properties, raise_if_not_exists=False)
    assert _rewritten(shelf, [(1, "b")], Merge(BY_KEY, DIFFERS)) is None


def test_invariants_of_a_table_are_left_to_delta_rs(engine: EmbeddedEngine, tmp_path: Path) -> None:
    """With features of version 7 of the protocol, which a timestamp without a zone needs."""
    schema = pa.schema({"key": pa.int32(), "value": pa.timestamp("us")})
    table = _table_of(tmp_path, {1: None}, schema, has_bounds=True)
    assert _merged(engine, _staged(tmp_path, {2: None}, schema), table) == Written(1, inserted=1)
    log = Path(table, "_delta_log", f"{0:020}.json")
    invariant = json.dumps({"delta.invariants": json.dumps({"expression": {"expression": "key < 9"}})})
    log.write_text(log.read_text().replace('\\"metadata\\":{}', f'\\"metadata\\":{json.dumps(invariant)[1:-1]}', 1))
    assert "delta.invariants" in DeltaTable(table, version=0).schema().to_json()
    assert _merged(engine, str(tmp_path / "staged"), table) is None


def test_a_partitioned_table_is_left_to_delta_rs(engine: EmbeddedEngine, tmp_path: Path) -> None:
    shelf = Shelf(engine, tmp_path)
    rows = pa.table({"key": pa.array([1, 2], pa.int32()), "value": ["a", "b"]})
    write_deltalake(shelf.table, rows, partition_by=["value"])
    assert _rewritten(shelf, [(1, "b")], Merge(BY_KEY, DIFFERS)) is None
    assert _rewritten(shelf, [], Merge(BY_KEY, DIFFERS, is_deleting_missing=True)) is None


def test_another_writer_was_faster(lie: Callable[..., Shelf], engine: EmbeddedEngine) -> None:
    shelf = lie([(1, "a"), (2, "b")])
    old, staged = DeltaTable(shelf.table), shelf.stage([(1, "c")])
    shelf.append((3, "d"))
    with pytest.raises(CommitFailedError):
        merge_by_rewriting(staged, old, session=engine.session, merge=Merge(BY_KEY, DIFFERS), commit=shelf.commit())
    assert shelf.rows() == [(1, "a"), (2, "b"), (3, "d")]


@pytest.mark.parametrize(("kind", "old", "new"), _ANY_TYPE, ids=lambda each: str(each)[:20])
def test_values_of_any_type_are_kept_and_replaced(
    engine: EmbeddedEngine, tmp_path: Path, kind: pa.DataType, old: Any, new: Any
) -> None:
    schema = pa.schema({"key": pa.int32(), "value": kind})
    held, given = ({1: old, 2: old, 3: None}, {2: new, 4: None})
    table, staged = _table_of(tmp_path, held, schema, has_bounds=False), _staged(tmp_path, given, schema)
    written = _merged(engine, staged, table)
    if written is None:
        assert pa.types.is_nested(kind)
        written = merge_rows(staged, DeltaTable(table), merge=Merge(BY_KEY, "true"), commit=Commit("{}", "a"))
    assert written == Written(1, inserted=1, updated=1)
    assert _found(table) == {1: old, 2: new, 3: None, 4: None}


def test_bounds_of_floats_hide_no_nan(engine: EmbeddedEngine, tmp_path: Path) -> None:
    """Sail takes a column whose bounds are equal for one value: such files are left to delta-rs."""
    schema = pa.schema({"key": pa.int32(), "value": pa.float64()})
    table = _table_of(tmp_path, {1: _NAN, 2: 1.0, 3: 1.0}, schema, has_bounds=True)
    staged = _staged(tmp_path, {3: 2.0}, schema)
    assert _merged(engine, staged, table) is None
    untold = _table_of(tmp_path, {1: _NAN, 2: 1.0, 3: 1.0}, schema, has_bounds=False)
    assert _merged(engine, staged, untold) == Written(1, updated=1)
    assert _found(untold) == {1: _NAN, 2: 1.0, 3: 2.0}


def test_sail_finds_every_double_by_a_filter(engine: EmbeddedEngine, tmp_path: Path) -> None:
    """It reads the 17 digits of a bound in the log one step off."""
    chance = random.Random(7)
    kinds = {"double": pa.float64(), "single": pa.float32()}
    schema = pa.schema([("key", pa.int64()), *kinds.items()])
    table = DeltaTable.create(tmp_path / "table", schema)
    values = [chance.random() * 10.0 ** chance.randint(-9, 9) * chance.choice((1, -1)) for _ in range(40)]
    for number, value in enumerate(values):
        pq.write_table(pa.table([[number], [value], [value]], schema=schema), tmp_path / f"{number}.parquet")
    adopt(sorted(tmp_path.glob("*.parquet")), table, commit=Commit("{}", "made"))
    held = engine.session.read.format("delta").load(table.table_uri)
    for name in kinds:
        for row in table.to_pyarrow_table().to_pylist():
            wanted = F.lit(row[name]).cast("float" if name == "single" else "double")
            assert held.where((F.col(name) >= wanted) & (F.col(name) <= wanted)).count() == 1, row


@pytest.mark.parametrize("is_escaped", [False, True])
def test_keys_beyond_unicodes_first_plane_are_found_again(
    engine: EmbeddedEngine, tmp_path: Path, *, is_escaped: bool
) -> None:
    """delta-rs takes such a character for another one where the log has it escaped, as JSON may."""
    schema, key = pa.schema([("key", pa.string()), ("value", pa.string())]), "\U00020001"
    table = DeltaTable.create(tmp_path / "table", schema)
    pq.write_table(_pairs({key: "a"}, schema), tmp_path / "part.parquet")
    adopt([tmp_path / "part.parquet"], table, commit=Commit("{}", "made"))
    if is_escaped:
        log = tmp_path / "table/_delta_log" / f"{table.version():020}.json"
        log.write_text(log.read_text().replace(key, r"\\ud840\\udc01"))
    staged = _staged(tmp_path, {key: "b"}, schema)
    pq.write_table(_pairs({key: "b"}, schema), f"{staged}/part.parquet")
    written = _merged(engine, staged, table.table_uri)
    assert written is not None
    assert (written.inserted, written.updated) == (0, 1)
    assert _found(table.table_uri) == {key: "b"}


def _merged(engine: EmbeddedEngine, staged: str, table: str) -> Written | None:
    merge, commit = Merge(BY_KEY, "true"), Commit("{}", "a")
    return merge_by_rewriting(staged, DeltaTable(table), session=engine.session, merge=merge, commit=commit)


def _table_of(folder: Path, rows: dict[int, Any], schema: pa.Schema, *, has_bounds: bool) -> str:
    table = str(folder / f"table-{has_bounds}")
    options = {} if has_bounds else write_options(Commit("{}", "made"), schema)
    write_deltalake(table, _pairs(rows, schema), **options)
    return table


def _staged(folder: Path, rows: Mapping[Any, Any], schema: pa.Schema) -> str:
    (folder / "staged").mkdir()
    pq.write_table(_pairs(rows, schema), folder / "staged" / "part.parquet", write_statistics=False)
    return str(folder / "staged")


def _pairs(rows: Mapping[Any, Any], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{"key": key, "value": value} for key, value in rows.items()], schema)


def _found(table: str) -> dict[Any, Any]:
    rows = DeltaTable(table).to_pyarrow_table().sort_by("key").to_pylist()
    return {row["key"]: _NAN if row["value"] != row["value"] else row["value"] for row in rows}


def test_columns_that_files_lack_are_null(engine: EmbeddedEngine, tmp_path: Path) -> None:
    shelf = Shelf(engine, tmp_path).create((1, "a"), (2, "b"))
    more = StructType([StructField("more", StringType())])
    engine.add_columns(shelf.table, more, commit=shelf.commit())
    staged = shelf.stage([(2, "c"), (3, "d")])
    merge = Merge(BY_KEY, "NOT (s.more IS NOT DISTINCT FROM t.more) OR s.value <> t.value")
    written = merge_by_rewriting(
        staged, DeltaTable(shelf.table), session=engine.session, merge=merge, commit=shelf.commit()
    )
    assert written == Written(3, inserted=1, updated=1)
    assert shelf.rows() == [(1, "a", None), (2, "c", None), (3, "d", None)]


def test_what_sail_can_not_compute_is_made_by_delta_rs(
    lie: Callable[..., Shelf],
    engine: EmbeddedEngine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise PySparkException("Resources exhausted")

    monkeypatch.setattr("lakelib.engine.embedded.merge_by_rewriting", failing)
    monkeypatch.setattr("lakelib.engine.embedded._LITTLE", 0)
    shelf = lie([(1, "a"), (2, "a")])
    assert shelf.merge((1, "b")) == Written(2, updated=1)
    assert "made by delta-rs, for Sail can't make it: Resources exhausted" in caplog.text
    monkeypatch.setattr(engine, "_memory_bytes", 1)
    with pytest.raises(EngineError, match="Resources exhausted"):
        shelf.merge((1, "c"))
    assert shelf.rows() == [(1, "b"), (2, "a")]


def test_a_merge_that_would_not_fit_is_rewritten_and_its_files_are_tidied_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _bounded(64 << 20).items():
        monkeypatch.setenv(name, value)  # as the engine does it, for its whole process
    shelf = Shelf(EmbeddedEngine(EmbeddedSettings(memory="64m")), tmp_path).create(*((n, "a" * 9) for n in range(9)))
    assert shelf.engine.session.range(1).count() == 1
    shelf.engine._memory_bytes = 1
    assert shelf.merge((1, "b"), (10, "c")) == Written(2, inserted=1, updated=1)
    assert (shelf.newest().operation, len(shelf.rows()), shelf.rows()[1]) == ("WRITE", 10, (1, "b"))
    assert list(tmp_path.glob("*.merged")) == []
    shelf.append((1, "twice"))
    with pytest.raises(EngineError, match="not as its own are"):
        shelf.merge((1, "c"))
    shelf.engine.close()
