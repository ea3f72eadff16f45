import json
import signal
import subprocess
import sys
from decimal import Decimal

import pytest

from lakelib import context, tables
from lakelib.contracts.evolution import Change
from lakelib.errors import ContractError, SchemaError, TableNotFoundError
from lakelib.names import TableName
from lakelib.tables.migrating import migrate, plan_migration
from tests.architecture.project_files import PROJECT
from tests.engines import embedded
from tests.tables.conftest import Lake

THING = {"name": "thing_id", "physicalType": "int", "primaryKey": True}
SIZE = {"name": "size", "physicalType": "int", "description": "in metres"}
COLOUR = {"name": "colour", "physicalType": "string"}
ROWS = [(1, 5, "7"), (2, None, "red")]
# What differs between engines is tested on both; the rest holds whichever it is.


@pytest.fixture
def things(lake: Lake) -> Lake:
    """silver.things of version 1.0.0 with two rows: thing_id (key), size, colour."""
    lake.contract("silver.things", THING, SIZE, COLOUR)
    run = lake.start("silver.things")
    tables.merge(lake.df(ROWS, "thing_id int, size int, colour string"), run.contract)
    return lake


def change(lake: Lake, *columns: dict[str, object], version: str = "1.1.0", **custom: object) -> None:
    lake.contract("silver.things", *columns, version=version, **custom)


def former(column: dict[str, object], *names: str) -> dict[str, object]:
    return column | {"customProperties": [{"property": "formerNames", "value": list(names)}]}


def history(lake: Lake) -> list[dict[str, object]]:
    path = TableName.parse("silver.things").path(context.current().settings.warehouse)
    return [json.loads(version.metadata) for version in lake.engine.history(path)]


def test_columns_that_come_go_change_and_are_renamed_in_one_commit(things: Lake) -> None:
    label = former({"name": "label", "physicalType": "string"}, "colour")
    amount = {"name": "amount", "physicalType": "decimal(5,2)"}
    change(things, THING | {"physicalType": "bigint"}, amount, label, version="2.0.0")
    before = len(history(things))
    migrate("silver.things", reason="prices come")
    assert things.rows("silver.things", "thing_id", "amount", "label") == [(1, None, "7"), (2, None, "red")]
    newest, *others = history(things)
    assert len(others) == before
    assert newest["contract"] == {"version": "2.0.0", "key": ["thing_id"]}
    assert newest["migration"]["reason"] == "prices come"
    assert newest["migration"]["from_contract"] == "1.0.0"
    assert newest["migration"]["changes"] == [
        "thing_id is int and becomes bigint",
        "amount (decimal(5,2)) comes",
        "label was colour",
        "size (int) goes",
    ]


def test_versions_before_a_migration_stay_readable_and_can_be_restored(things: Lake) -> None:
    change(things, THING, COLOUR, version="2.0.0")
    migrate("silver.things", reason="")
    path = TableName.parse("silver.things").path(context.current().settings.warehouse)
    before = things.engine.session.read.format("delta").option("versionAsOf", 1).load(path)
    assert sorted(tuple(row) for row in before.select("thing_id", "size", "colour").collect()) == ROWS
    tables.restore("silver.things", version=1)
    assert things.rows("silver.things", "thing_id", "size", "colour") == ROWS


@embedded
def test_a_write_goes_on_after_the_migration_and_is_refused_before(things: Lake) -> None:
    change(things, THING, SIZE | {"physicalType": "bigint"}, COLOUR)
    run = things.start("silver.things")
    rows = things.df([(3, 1 << 40, "blue")], "thing_id int, size bigint, colour string")
    with pytest.raises(SchemaError, match=r"size is int and becomes bigint") as raised:
        tables.merge(rows, run.contract)
    assert "lake migrate silver.things --dry-run" in raised.value.hint
    migrate("silver.things", reason="")
    tables.merge(rows, run.contract)
    assert things.rows("silver.things", "thing_id", "size")[-1] == (3, 1 << 40)


@embedded
def test_migrating_again_changes_nothing(things: Lake) -> None:
    change(things, THING, SIZE, COLOUR, {"name": "weight", "physicalType": "double"})
    assert [change.kind for change in migrate("silver.things", reason="").changes] == ["added"]
    before = len(history(things))
    assert migrate("silver.things", reason="").changes == []
    assert len(history(things)) == before


@embedded
@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ((THING, SIZE), "colour (string) goes"),
        ((THING, SIZE, former(COLOUR | {"name": "label"}, "colour")), "label was colour"),
        ((THING, SIZE | {"physicalType": "smallint"}, COLOUR), "size is int and becomes smallint"),
        ((THING, SIZE | {"primaryKey": True}, COLOUR), "the key was (thing_id) and is (thing_id, size)"),
    ],
)
def test_what_breaks_readers_wants_a_major_version(things: Lake, columns: tuple[dict[str, object]], says: str) -> None:
    change(things, *columns)
    with pytest.raises(ContractError, match="written under version 1.0.0 .* version 1.1.0 breaks") as raised:
        migrate("silver.things", reason="")
    assert says in raised.value.message


@embedded
def test_a_type_that_loses_a_value_is_refused(things: Lake) -> None:
    change(things, THING, SIZE | {"physicalType": "decimal(3,1)"}, COLOUR | {"physicalType": "int"}, version="2.0.0")
    with pytest.raises(SchemaError, match="1 values of colour do not fit int, such as 'red'"):
        migrate("silver.things", reason="")
    assert things.rows("silver.things", "thing_id", "size", "colour") == ROWS


@embedded
def test_a_type_that_is_narrower_and_holds_every_value_is_taken(things: Lake) -> None:
    change(things, THING, SIZE | {"physicalType": "decimal(3,1)"}, COLOUR, version="2.0.0")
    migrate("silver.things", reason="")
    assert things.rows("silver.things", "size") == [(Decimal("5.0"),), (None,)]


@embedded
def test_a_key_that_rows_do_not_have_is_refused(things: Lake) -> None:
    change(things, {"name": "thing_id", "physicalType": "int"}, SIZE | {"primaryKey": True}, COLOUR, version="2.0.0")
    with pytest.raises(SchemaError, match=r"not told apart by \(size\); 1 of them have size = None"):
        migrate("silver.things", reason="")


def test_a_write_adds_columns_itself_where_the_contract_lets_it(things: Lake) -> None:
    change(things, THING, SIZE, COLOUR, {"name": "weight", "physicalType": "double"}, evolution="evolve")
    run = things.start("silver.things")
    tables.merge(things.df([(3, 1, "blue", 0.5)], "thing_id int, size int, colour string, weight double"), run.contract)
    assert things.rows("silver.things", "thing_id", "weight") == [(1, None), (2, None), (3, 0.5)]
    change(things, THING, SIZE, COLOUR, evolution="evolve")
    with pytest.raises(SchemaError, match="weight"):
        tables.merge(things.df(ROWS, "thing_id int, size int, colour string"), things.start("silver.things").contract)


@embedded
def test_a_table_restored_is_compared_by_its_columns_alone(things: Lake) -> None:
    tables.merge(
        things.df([(3, 1, "x")], "thing_id int, size int, colour string"), things.start("silver.things").contract
    )
    tables.restore("silver.things", version=1)
    change(things, THING, SIZE)
    contract = context.current().contract(TableName.parse("silver.things"))
    migration = plan_migration(contract)
    assert migration is not None
    assert (migration.written_under, [change.kind for change in migration.changes]) == (None, ["dropped"])


@embedded
def test_there_is_nothing_to_migrate_where_there_is_no_table(lake: Lake) -> None:
    lake.contract("silver.things", THING)
    with pytest.raises(TableNotFoundError):
        migrate("silver.things", reason="")


@embedded
def test_bronze_keeps_what_its_contract_does_not_know(lake: Lake) -> None:
    lake.contract("bronze.things", COLOUR)
    contract = context.current().contract(TableName.parse("bronze.things"))
    lake.engine.create(
        context.current().path(contract.name),
        lake.df([], lake_schema("colour string, drifted string")).schema,
        commit=context.current().commit("create"),
    )
    lake.contract("bronze.things", former({"name": "shade", "physicalType": "string"}, "colour"), version="2.0.0")
    assert migrate("bronze.things", reason="").changes == [
        Change("renamed", "shade", "was colour", True, "a reader of the former name fails")
    ]
    path = context.current().path(contract.name)
    assert {"shade", "drifted"} <= set(lake.engine.session.read.format("delta").load(path).columns)


# Kills itself, as nothing else can at so exact a moment, right before or after the one commit of a migration.
DIES = """
import os, signal, sys
from lakelib import context
from lakelib.engine import open_engine
from lakelib.names import TableName
from lakelib.settings import load_settings
from lakelib.tables.migrating import migrate

class Dying:
    def __init__(self, engine):
        self.engine = engine

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def rewrite(self, *staged, **options):
        if sys.argv[1] == "after":
            self.engine.rewrite(*staged, **options)
        os.kill(os.getpid(), signal.SIGKILL)

context.begin(TableName("gold", "any"), None).engine = Dying(open_engine(load_settings()))
migrate("silver.things", reason="killed")
"""


@embedded
@pytest.mark.parametrize(("moment", "commits"), [("before", 0), ("after", 1)])
def test_a_killed_migration_is_not_begun_or_done_and_can_be_repeated(things: Lake, moment: str, commits: int) -> None:
    change(things, THING, SIZE, former({"name": "label", "physicalType": "string"}, "colour"), version="2.0.0")
    before = len(history(things))
    killed = subprocess.run([sys.executable, "-c", DIES, moment], cwd=PROJECT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(history(things)) - before == commits
    migrate("silver.things", reason="again")
    assert len(history(things)) - before == 1
    assert things.rows("silver.things", "thing_id", "size", "label") == [(1, 5, "7"), (2, None, "red")]


def lake_schema(columns: str) -> str:
    platform = "_corrupt_record string, _source_file string, _source_row bigint, _source_sha256 string"
    return f"{columns}, {platform}, _delivered_on date, _ingested_at timestamp, _run_id string"
