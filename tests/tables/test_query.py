import pytest

from lakelib import context, tables
from lakelib.errors import EngineLostError, QueryError, UndeclaredReadError
from lakelib.tables.query_errors import query_error
from tests.engines import embedded


@pytest.fixture
def coloured(things, server_names):
    run = things.start("silver.things")
    tables.overwrite(things.df([("a", "red"), ("b", "blue")], "thing_id string, colour string"), run.contract)
    return things


ASKED = [
    "SELECT thing_id FROM silver.things ORDER BY thing_id DESC",
    "select thing_id from silver.things order by 1 desc;",
    "WITH t AS (SELECT * FROM silver.things) SELECT thing_id FROM t ORDER BY thing_id DESC -- in turn",
]


def test_tables_are_asked_by_their_names(coloured):
    for sql in ASKED:
        assert [row["thing_id"] for row in tables.query(sql).collect()] == ["b", "a"], sql


@pytest.mark.parametrize("said", ["StatusCode.UNAVAILABLE", "Cannot call methods on a stopped SparkContext."])
def test_a_lost_engine_is_no_fault_of_the_query(said):
    with pytest.raises(EngineLostError, match="raise `spark.memory`"):
        query_error(RuntimeError(said), "SELECT 1")


@embedded
def test_another_lakes_table_of_the_same_name_is_not_the_one_that_is_asked(coloured, monkeypatch):
    assert tables.query("SELECT * FROM silver.things").count() == 2
    monkeypatch.setenv("LAKE_LAKE", "another")
    run = coloured.start("silver.things")
    tables.overwrite(coloured.df([("c", "grey")], "thing_id string, colour string"), run.contract)
    assert [row["colour"] for row in tables.query("SELECT colour FROM silver.things").collect()] == ["grey"]


@embedded
def test_a_lake_may_be_in_a_folder_with_an_apostrophe(things, monkeypatch):
    monkeypatch.setenv("LAKE_LAKE", "it's")
    run = things.start("silver.things")
    tables.overwrite(things.df([("a", "red")], "thing_id string, colour string"), run.contract)
    assert tables.query("SELECT colour FROM silver.things").collect() == [("red",)]


REFUSED = [
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
]


@embedded
def test_what_is_no_query_is_refused_and_nothing_changes(coloured):
    version = coloured.engine.version(str(coloured.project / ".lake/warehouse/silver/things"))
    for sql in REFUSED:
        with pytest.raises(QueryError, match="Not a query"):
            tables.query(sql)
    assert len(coloured.rows("silver.things")) == 2
    assert coloured.engine.version(str(coloured.project / ".lake/warehouse/silver/things")) == version


WRONG = [
    ("DELETE FROM silver.things", "it begins with 'DELETE'", "Write one SELECT, which only reads"),
    (" -- nothing\n", "it is empty", "Write one SELECT"),
    ("SELECT thing_id FRM silver.things", "line 1, column 21 is not understood, near 'silver.things'", "one"),
    ("SELECT 'éé',\n  count(* FROM silver.things", "line 2, column 11 is not understood, near 'FROM'", ""),
    ("SELECT 1; SELECT 2", "line 1, column 9 is not understood, near ';'", ""),
    ("SELECT 1 FROM (SELECT 2", "near the end", ""),
    ("SELECT * FROM silver.thigns", "Table silver.thigns was asked for", "Did you mean silver.things?"),
    ("SELECT * FROM things", "Table things was asked for", "Did you mean silver.things?"),
    ("SELECT * FROM quarantine.silver__things", "Table quarantine.silver__things", "No row of silver.things was"),
    ("SELECT t.color FROM silver.things t", "no table of it has a column t.color", "Did you mean colour?"),
    ("SELECT DISTINCT colour FROM silver.things ORDER BY thing_id", "column thing_id can't be seen", "to SELECT"),
    ("SELECT colour FROM silver.things a, silver.things b", "several of its tables have a column colour", "t.colour"),
    ("SELECT thing_id, count(*) FROM silver.things", "is in no GROUP BY", "Add it"),
    ("SELECT nothing(1)", "there is no function nothing", ""),
    ("SELECT * FROM delta.`/nowhere`", "by their path, delta.`…`", "silver.things"),
    ("SELECT * FROM Parquet . `/nowhere`", "by their path, Parquet.`…`", "silver.things"),
]


def test_what_is_wrong_is_said_shortly_on_both_engines(coloured):
    for sql, message, hint in WRONG:
        with pytest.raises(QueryError) as refused:
            tables.query(sql)
        assert message in refused.value.message, sql
        assert hint in refused.value.hint, sql
        assert len(refused.value.message) < 200, sql


@embedded
def test_a_path_in_a_text_is_no_read_of_it(coloured):
    assert tables.query("SELECT 'delta.`/nowhere`' AS text /* csv.`x` */").collect()[0]["text"] == "delta.`/nowhere`"


@pytest.mark.parametrize("engine", ["embedded"], indirect=True)
def test_what_the_embedded_engine_lacks_names_spark(coloured):
    with pytest.raises(QueryError, match=r"no QUALIFY; set engine: spark"):
        tables.query("SELECT thing_id FROM silver.things QUALIFY row_number() OVER (ORDER BY colour) = 1")


def test_a_scheduled_run_reads_only_what_its_code_declares(coloured):
    active = context.current()
    active.is_interactive, active.declared_reads = False, frozenset({"silver.things"})
    assert tables.read("silver.things").count() == 2
    with pytest.raises(UndeclaredReadError, match=r"reads gold\.other at run time"):
        tables.read("gold.other")
    with pytest.raises(QueryError, match="run on schedule"):
        tables.query("SELECT 1")
