import pytest

from lakelib import context, tables
from lakelib.errors import QueryError, UndeclaredReadError


@pytest.fixture
def coloured(things):
    run = things.start("silver.things")
    tables.overwrite(things.df([("a", "red"), ("b", "blue")], "thing_id string, colour string"), run.contract)
    return things


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT thing_id FROM silver.things ORDER BY thing_id DESC",
        "select thing_id from silver.things order by 1 desc;",
        "WITH t AS (SELECT * FROM silver.things) SELECT thing_id FROM t ORDER BY thing_id DESC -- in turn",
    ],
)
def test_tables_are_asked_by_their_names(coloured, sql):
    assert [row["thing_id"] for row in tables.query(sql).collect()] == ["b", "a"]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE silver.things",
        "DELETE FROM silver.things",
        "INSERT INTO silver.things VALUES ('c', 'red', null, null, null)",
        "UPDATE silver.things SET colour = 'grey'",
        "CREATE TABLE silver.more AS SELECT 1 AS one",
        "SELECT 1; DROP TABLE silver.things",
        "SELECT 1) AS one, (SELECT 2",
        "SELECT * FROM silver.nothing",
        "SELEKT 1",
        "",
    ],
)
def test_what_is_no_query_is_refused_and_nothing_changes(coloured, sql):
    version = coloured.engine.version(str(coloured.project / ".lake/warehouse/silver/things"))
    with pytest.raises(QueryError, match="Not a query"):
        tables.query(sql)
    assert len(coloured.rows("silver.things")) == 2
    assert coloured.engine.version(str(coloured.project / ".lake/warehouse/silver/things")) == version


def test_a_scheduled_run_reads_only_what_its_code_declares(coloured):
    active = context.current()
    active.is_interactive, active.declared_reads = False, frozenset({"silver.things"})
    assert tables.read("silver.things").count() == 2
    with pytest.raises(UndeclaredReadError, match=r"reads gold\.other at run time"):
        tables.read("gold.other")
    with pytest.raises(QueryError, match="run on schedule"):
        tables.query("SELECT 1")
