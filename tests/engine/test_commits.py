import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from lakelib.engine import Commit, Engine, Merge, Written, delta_writes, open_engine
from lakelib.engine.delta_writes import is_conflict, retried
from lakelib.errors import CommitConflictError, EngineError
from lakelib.settings import Settings
from tests.engine.conftest import BY_KEY, DIFFERS, Shelf

VALUE = StructField("value", StringType(), metadata={"comment": "what it's worth, \\ and all"})
KEY = StructField("key", IntegerType(), nullable=False)


def test_a_table_has_no_version_before_it_is_created(shelf: Shelf) -> None:
    assert shelf.engine.version(shelf.table) is None
    assert shelf.create().engine.version(shelf.table) == 0


def test_a_table_keeps_comments_and_forgets_not_null(shelf: Shelf) -> None:
    shelf.engine.create(shelf.table, StructType([KEY, VALUE]), commit=shelf.commit())
    key, value = DeltaTable(shelf.table).schema().fields
    assert (key.nullable, value.metadata) == (True, VALUE.metadata)


def test_creating_a_table_that_exists_changes_nothing(shelf: Shelf) -> None:
    shelf.create((1, "a")).create()
    assert (shelf.rows(), shelf.newest().version) == ([(1, "a")], 1)


def test_append_adds_the_staged_rows_and_counts_them(shelf: Shelf) -> None:
    assert shelf.create((1, "a")).append((1, "a"), (2, None)) == Written(2, inserted=2)
    assert shelf.rows() == [(1, "a"), (1, "a"), (2, None)]


def test_staged_columns_that_the_table_lacks_are_left_out_and_lacking_ones_are_null(shelf: Shelf) -> None:
    staged = shelf.stage([(7, "x")], schema="key int, remark string")
    shelf.create().engine.append(staged, shelf.table, commit=shelf.commit())
    assert shelf.rows() == [(7, None)]


def test_replace_takes_the_place_of_the_rows_that_satisfy_the_condition(shelf: Shelf) -> None:
    shelf.create((1, "a"), (2, "b"), (3, "c"))
    assert shelf.replace((2, "B"), where="key >= 2") == Written(2, inserted=1, deleted=2)
    assert shelf.rows() == [(1, "a"), (2, "B")]


@pytest.mark.parametrize("text", ["C:\\new", "\\", "it's \\'", "a\nb"])
def test_a_condition_takes_a_text_for_what_it_is(shelf: Shelf, text: str) -> None:
    shelf.create((1, text), (2, "other"))
    literal = text.replace("'", "''")
    assert shelf.replace((3, text), where=f"value IN ('{literal}')").deleted == 1
    assert shelf.rows() == [(2, "other"), (3, text)]


@pytest.mark.parametrize(("where", "left"), [("key = 2", [(1, "a")]), ("key <= 2", [])])
def test_replace_by_a_folder_that_does_not_exist_deletes(shelf: Shelf, where: str, left: list[tuple[int, str]]) -> None:
    shelf.create((1, "a"), (2, "b"))
    nowhere = str(shelf.folder / "nowhere")
    written = shelf.engine.replace(nowhere, shelf.table, where=where, commit=shelf.commit())
    assert (written.deleted, shelf.rows()) == (2 - len(left), left)


def test_merge_inserts_new_keys_and_updates_where_its_condition_holds(shelf: Shelf) -> None:
    shelf.create((1, "a"), (2, "b"), (3, None))
    assert shelf.merge((1, "a"), (2, "B"), (3, "c"), (4, "d")) == Written(2, inserted=1, updated=2)
    assert shelf.rows() == [(1, "a"), (2, "B"), (3, "c"), (4, "d")]


def test_merge_writes_nulls_over_values(shelf: Shelf) -> None:
    assert shelf.create((1, "a")).merge((1, None)).updated == 1
    assert shelf.rows() == [(1, None)]


def test_merge_leaves_alone_what_its_condition_does_not_hold_for(shelf: Shelf) -> None:
    shelf.create((1, "b"), (2, "b"))
    shelf.merge((1, "c"), (2, "a"), update_when="s.value > t.value")
    assert shelf.rows() == [(1, "c"), (2, "b")]


def test_a_null_key_matches_nothing_and_is_inserted(shelf: Shelf) -> None:
    assert shelf.create((None, "a")).merge((None, "b")).inserted == 1
    assert shelf.rows() == [(None, "a"), (None, "b")]


def test_merge_deletes_missing_keys_when_asked_to(shelf: Shelf) -> None:
    shelf.create((1, "a"), (2, "b"))
    assert shelf.merge_deleting_missing((2, "B"), (3, "c")) == Written(2, inserted=1, updated=1, deleted=1)
    assert shelf.rows() == [(2, "B"), (3, "c")]


def test_merge_of_two_rows_for_one_key_is_refused_and_changes_nothing(shelf: Shelf) -> None:
    shelf.create((1, "a"))
    with pytest.raises(EngineError):
        shelf.merge((1, "b"), (1, "c"))
    assert (shelf.rows(), shelf.newest().version) == ([(1, "a")], 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda shelf: shelf.append(),
        lambda shelf: shelf.merge((1, "a")),
        lambda shelf: shelf.merge(),
        lambda shelf: shelf.merge_deleting_missing((1, "a"), (2, "b")),
    ],
    ids=["append of no rows", "merge of equal rows", "merge of no rows", "merge of the whole table"],
)
def test_nothing_to_change_makes_no_commit(shelf: Shelf, write: Callable[[Shelf], Written]) -> None:
    shelf.create((1, "a"), (2, "b"))
    assert write(shelf) == Written(1, is_committed=False)
    assert shelf.newest().version == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda engine, staged, table, commit: engine.append(staged, table, commit=commit),
        lambda engine, staged, table, commit: engine.replace(staged, table, where="key = 9", commit=commit),
        lambda engine, staged, table, commit: engine.merge(staged, table, merge=Merge(BY_KEY, DIFFERS), commit=commit),
    ],
    ids=["append", "replace", "merge"],
)
def test_a_transaction_that_the_table_records_is_skipped(shelf: Shelf, write: Callable[..., Written]) -> None:
    staged, commit = shelf.stage([(9, "z")]), Commit("{}", "run 9/publish")
    write(shelf.create((1, "a")).engine, staged, shelf.table, commit)
    shelf.replace(where="key = 9")
    assert write(shelf.engine, staged, shelf.table, commit) == Written(3, is_committed=False)
    assert shelf.rows() == [(1, "a")]


def test_writes_after_a_merge_are_not_taken_for_its_repetition(shelf: Shelf) -> None:
    shelf.create((1, "a")).merge((2, "b"))
    assert [shelf.merge((3, "c")).inserted, shelf.append((4, "d")).inserted] == [1, 1]


def test_every_commit_carries_its_metadata_and_history_is_newest_first(shelf: Shelf) -> None:
    shelf.create((1, "a")).merge((2, "b"))
    shelf.replace((3, "c"), where="key = 3")
    versions = shelf.engine.history(shelf.table)
    assert [(version.version, version.operation) for version in versions[:3]] == [
        (3, "WRITE"),
        (2, "MERGE"),
        (1, "WRITE"),
    ]
    assert all('"run_id"' in version.metadata for version in versions)


def test_restore_brings_back_a_version_as_a_new_one(shelf: Shelf) -> None:
    shelf.create((1, "a")).append((2, "b"))
    assert shelf.engine.restore(shelf.table, version=1, commit=Commit("back", "back")).version == 3
    assert (shelf.rows(), shelf.newest().operation, shelf.newest().metadata) == ([(1, "a")], "RESTORE", "back")


def test_restoring_a_version_that_does_not_exist_is_an_error(shelf: Shelf) -> None:
    shelf.create((1, "a"))
    with pytest.raises(EngineError, match="99"):
        shelf.engine.restore(shelf.table, version=99, commit=shelf.commit())


WIDER = StructType([KEY, StructField("amount", LongType(), metadata={"comment": "in pieces"})])


def test_rewriting_gives_a_table_other_columns_and_leaves_earlier_versions_theirs(shelf: Shelf) -> None:
    shelf.create((1, "a"), (2, "b"))
    staged, commit = shelf.stage([(1, 10), (3, None)], schema="key int, amount long"), shelf.commit()
    written = shelf.engine.rewrite(staged, shelf.table, schema=WIDER, version=1, commit=commit)
    assert (written, shelf.rows()) == (Written(2, inserted=2, deleted=2), [(1, 10), (3, None)])
    before = shelf.engine.session.read.format("delta").option("versionAsOf", 1).load(shelf.table)
    assert sorted(map(tuple, before.collect())) == [(1, "a"), (2, "b")]
    assert DeltaTable(shelf.table).schema().fields[1].metadata == {"comment": "in pieces"}
    assert shelf.newest().metadata == commit.metadata
    assert not shelf.engine.rewrite(staged, shelf.table, schema=WIDER, version=2, commit=commit).is_committed


def test_rewriting_from_a_version_that_is_not_the_newest_changes_nothing(shelf: Shelf) -> None:
    shelf.create((1, "a")).append((2, "b"))
    staged = shelf.stage([(1, 10)], schema="key int, amount long")
    with pytest.raises(CommitConflictError, match="Version 1 of .* another writer"):
        shelf.engine.rewrite(staged, shelf.table, schema=WIDER, version=1, commit=shelf.commit())
    assert shelf.rows() == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("faster", [0, 2, 5, 6])
def test_a_write_is_tried_six_times_while_others_are_faster(monkeypatch: pytest.MonkeyPatch, faster: int) -> None:
    monkeypatch.setattr(delta_writes, "_FIRST_PAUSE_SECONDS", 0)
    outcomes: list[Exception | str] = [*[CommitFailedError("a concurrent write")] * faster, "written"]

    def write() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    if faster == 6:
        with pytest.raises(CommitConflictError, match="was tried 6 times"):
            retried("table", write)
    else:
        assert retried("table", write) == "written"
    assert len(outcomes) == (1 if faster == 6 else 0)


def test_what_is_no_collision_is_tried_once() -> None:
    tries = []

    def write() -> None:
        tries.append(1)
        raise DeltaError("no space left")

    with pytest.raises(EngineError, match="A write to table failed: no space left"):
        retried("table", write)
    assert len(tries) == 1


def test_added_columns_are_null_in_the_rows_before(shelf: Shelf) -> None:
    shelf.create((1, "a"))
    wider = StructType([KEY, VALUE, StructField("amount", IntegerType(), nullable=False)])
    shelf.engine.add_columns(shelf.table, wider, commit=shelf.commit())
    staged = shelf.stage([(2, "b")])
    shelf.engine.append(staged, shelf.table, commit=shelf.commit())
    assert shelf.rows() == [(1, "a", None), (2, "b", None)]


def test_adding_columns_that_the_table_has_makes_no_commit(shelf: Shelf) -> None:
    shelf.create().engine.add_columns(shelf.table, StructType([KEY, VALUE]), commit=shelf.commit())
    assert shelf.newest().version == 0


def test_colliding_merges_all_arrive(shelf: Shelf, spark_settings: Settings) -> None:
    shelf.create((0, "a"))
    staged = [shelf.stage([(0, f"value {n}"), (n, "new")]) for n in (1, 2)]
    engines = [open_engine(spark_settings.model_copy(update={"engine": shelf.engine.name})) for _ in staged]
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda engine, folder: _merge(engine, folder, shelf.table), engines, staged))
    for engine in engines:
        engine.close()
    assert [key for key, _ in shelf.rows()] == [0, 1, 2]


def test_a_write_to_a_table_that_does_not_exist_is_an_error(shelf: Shelf) -> None:
    with pytest.raises(EngineError, match="there is none"):
        shelf.append((1, "a"))


@pytest.mark.parametrize("writer", ["embedded", "spark"])
def test_each_engine_publishes_what_the_other_staged(
    shelf: Shelf, spark_settings: Settings, writer: str, tmp_path: Path
) -> None:
    other, staged = open_engine(spark_settings.model_copy(update={"engine": writer})), str(tmp_path / "staged")
    rows = other.session.createDataFrame([(1, "B"), (2, None)], "key int, value string")
    rows.write.parquet(staged)
    other.close()
    merge = Merge(BY_KEY, DIFFERS)
    assert shelf.create((1, "a")).engine.merge(staged, shelf.table, merge=merge, commit=shelf.commit()).inserted == 1
    assert shelf.rows() == [(1, "B"), (2, None)]


def _merge(engine: Engine, staged: str, table: str) -> Written:
    return engine.merge(staged, table, merge=Merge(BY_KEY, DIFFERS), commit=Commit("{}", staged))


def test_what_a_newer_engine_wrote_is_told_as_that(shelf: Shelf) -> None:
    shelf.create()
    begun = Path(shelf.table) / "_delta_log" / "00000000000000000000.json"
    features = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["later"], "writerFeatures": ["later"]}
    rest = [line for line in begun.read_text().splitlines() if "protocol" not in json.loads(line)]
    begun.write_text("\n".join([json.dumps({"protocol": features}), *rest]))
    with pytest.raises(EngineError, match=r"its log can't be read: [^\n]*'later' is not supported[^\n]*\nHint: "):
        shelf.engine.version(shelf.table)


def test_a_full_disk_below_a_folder_of_any_name_is_no_conflict() -> None:
    full = DeltaError("Generic LocalFileSystem error: /srv/conflicts/t/part-0.parquet: No space left (os error 28)")
    assert not is_conflict(full)
    assert is_conflict(DeltaError("Transaction failed: a concurrent transaction changed the metadata"))
