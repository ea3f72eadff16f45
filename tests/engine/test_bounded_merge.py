from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakelib.engine import Merge, Written
from lakelib.engine.bounded_merge import merge_by_rewriting
from lakelib.engine.embedded import EmbeddedEngine, _bounded
from lakelib.settings import EmbeddedSettings
from tests.engine.conftest import BY_KEY, DIFFERS, Shelf

Rows = dict[int, str | None]


def _rewritten(shelf: Shelf, rows: Rows, merge: Merge) -> Written:
    staged, table = shelf.stage(list(rows.items())), DeltaTable(shelf.table)
    return merge_by_rewriting(staged, table, session=shelf.engine.session, merge=merge, commit=shelf.commit())


@pytest.mark.parametrize("shelf_engine", ["embedded"], indirect=True)
@pytest.mark.parametrize("merge", [Merge(BY_KEY, DIFFERS), Merge(BY_KEY, DIFFERS, is_deleting_missing=True)])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.dictionaries(st.integers(1, 5), st.none() | st.sampled_from("ab"), min_size=1),
    given_rows=st.dictionaries(st.integers(1, 5), st.none() | st.sampled_from("ab"), min_size=1),
)
def test_rewriting_does_what_a_merge_does(
    shelf: Shelf, tmp_path_factory: pytest.TempPathFactory, held: Rows, given_rows: Rows, merge: Merge
) -> None:
    one, other = (Shelf(shelf.engine, tmp_path_factory.mktemp("shelf")).create(*held.items()) for _ in range(2))
    written = _rewritten(one, given_rows, merge)
    assert written == other.engine.merge(
        other.stage(list(given_rows.items())), other.table, merge=merge, commit=other.commit()
    )
    assert one.rows() == other.rows()


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
    shelf.engine.close()
