import json
import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from upath import UPath

from lakelib.cli.tables import rows_changed
from lakelib.engine import Version
from lakelib.errors import DeliveryRefusedError
from lakelib.ingest import Expected, csv, find_deliveries, parse
from lakelib.intervals import Interval
from lakelib.names import TableName
from tests.architecture.project_files import PROJECT
from tests.lake_command import LAKE
from tests.runner.projects import Project

NOON = datetime(2013, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def flights(project: Project) -> Project:
    """silver.flights with two versions: one flight, then two more."""
    path = str(project.settings.warehouse / "silver" / "flights")
    write_deltalake(path, pa.table({"carrier": ["AA"], "flight": [1]}))
    write_deltalake(path, pa.table({"carrier": ["UA", "DL"], "flight": [2, 3]}), mode="append")
    return project


def test_sql_answers_with_rows(flights: Project) -> None:
    asked = flights.lake("sql", "SELECT carrier, flight FROM silver.flights ORDER BY flight", "--json")
    assert json.loads(asked.stdout) == [{"carrier": c, "flight": n} for c, n in (("AA", 1), ("UA", 2), ("DL", 3))]
    assert asked.stderr == ""


@pytest.mark.parametrize("command", [("history", "silver.flights"), ("sql", "SELECT * FROM silver.flights")])
def test_a_table_whose_log_is_damaged_is_named(flights: Project, command: tuple[str, ...]) -> None:
    (flights.settings.warehouse / "silver/flights/_delta_log/00000000000000000000.json").unlink()
    asked = flights.lake(*command)
    assert asked.returncode == 1
    assert re.match(r"Error: .*silver.flights .*\nHint: ", asked.stderr), asked.stderr


@pytest.mark.parametrize("other", ["bronze.flights", "silver.flights_late", "quarantine.silver__flights"])
def test_a_damaged_table_does_not_keep_others_from_answering(flights: Project, other: str) -> None:
    write_deltalake(str(TableName.parse(other).path(flights.settings.warehouse)), pa.table({"flight": ["1"]}))
    (flights.settings.warehouse / "silver/flights/_delta_log/00000000000000000000.json").unlink()
    asked = flights.lake("sql", f"SELECT flight FROM {other}", "--json")
    assert asked.stdout == '[\n {\n  "flight": "1"\n }\n]\n'


def test_sql_says_when_rows_are_left_out(flights: Project) -> None:
    asked = flights.lake("sql", "SELECT flight FROM silver.flights ORDER BY flight", "--limit", "2")
    assert asked.stdout.split() == ["flight", "1", "2"]
    assert "Only the first 2 rows are shown" in asked.stderr


def test_rows_are_shown_as_they_are(flights: Project) -> None:
    assert flights.lake("sql", "SELECT '[bold]a[/bold]' AS text").stdout.split() == ["text", "[bold]a[/bold]"]


def test_numbers_stand_to_the_right_and_nulls_are_named(project: Project) -> None:
    query = "SELECT * FROM VALUES (null, null, array(1, null)), ('a', 1.50BD, array()) AS t (name, price, sizes)"
    shown = project.lake("sql", query).stdout.splitlines()
    assert [line.rstrip() for line in shown] == ["name  price  sizes", "null   null  1, null", "a      1.50"]


def test_columns_of_one_name_keep_their_values_apart(flights: Project) -> None:
    query = (
        "SELECT a.*, b.carrier FROM silver.flights a JOIN silver.flights b ON a.flight = b.flight WHERE a.flight = 1"
    )
    head, row = flights.lake("sql", query).stdout.splitlines()
    assert (sorted(head.split()), sorted(row.split())) == (["carrier", "carrier", "flight"], ["1", "AA", "AA"])
    asked = flights.lake("sql", query, "--json")
    assert (asked.returncode, asked.stdout, "with AS" in asked.stderr) == (2, "", True)


def test_what_a_terminal_or_a_disk_can_not_take_is_no_traceback(flights: Project) -> None:
    place = flights._place({"PYTHONIOENCODING": "ascii"})
    asked = subprocess.run([LAKE, "sql", "SELECT 'a→ü' AS b"], check=True, stdout=subprocess.PIPE, **place)
    assert asked.stdout.split() == [b"b", rb"a\u2192\xfc"]
    with Path("/dev/full").open("w") as full:
        asked = subprocess.run([LAKE, "sql", "SELECT 1"], check=False, stdout=full, stderr=subprocess.PIPE, **place)
    assert (asked.returncode, asked.stderr.decode().splitlines()) == (1, ["Error: [Errno 28] No space left on device"])


def test_an_answer_of_no_rows_has_its_head(flights: Project) -> None:
    assert flights.lake("sql", "SELECT * FROM silver.flights WHERE flight > 9").stdout.split() == ["carrier", "flight"]


@pytest.mark.parametrize("query", ["DELETE FROM silver.flights", "SELECT * FROM silver.none"])
def test_what_is_no_query_is_refused(flights: Project, query: str) -> None:
    asked = flights.lake("sql", query)
    assert (asked.returncode, "Traceback" in asked.stderr) == (2, False)
    assert "Hint:" in asked.stderr


@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        ("\ufeffSELECT 'ä' AS b,\n 1 AS a".encode(), 0, "b  a\nä  1\n"),
        (b"", 2, "it is empty"),
        (b"SELECT '\xff' AS b", 2, 'after "SELECT \'" it is not UTF-8'),
    ],
)
def test_a_query_is_read_from_standard_input(project: Project, given: bytes, status: int, told: str) -> None:
    place = project._place({})
    asked = subprocess.run([LAKE, "sql", "-"], input=given, capture_output=True, check=False, **place)
    assert (asked.returncode, told in (asked.stdout + asked.stderr).decode()) == (status, True)
    assert b"Traceback" not in asked.stderr


def test_history_and_restore(flights: Project) -> None:
    assert [v["version"] for v in json.loads(flights.lake("history", "silver.flights", "--json").stdout)] == [1, 0]
    assert "as version 2" in flights.lake("restore", "silver.flights", "--version", "0").stdout
    asked = flights.lake("sql", "SELECT count(*) AS n FROM silver.flights", "--json")
    assert json.loads(asked.stdout) == [{"n": 1}]


def test_a_list_that_is_cut_says_so(flights: Project) -> None:
    cut, whole = (flights.lake("history", "silver.flights", "--limit", limit, "--json") for limit in "12")
    assert "Only the newest 1 are shown" in cut.stderr
    assert len(json.loads(cut.stdout)) == 1
    assert (whole.stderr, len(json.loads(whole.stdout))) == ("", 2)


def test_history_says_which_run_changed_how_many_rows(flights: Project) -> None:
    table = DeltaTable(str(flights.settings.warehouse / "silver" / "flights"))
    told = {"run_id": "20130107T050000-abc123", "start_date": "2013-01-01", "end_date": "2013-01-07", "reads": {}}
    rows = pa.table({"carrier": ["AA", "B6"], "flight": [1, 9]})
    label = CommitProperties(custom_metadata={"userMetadata": json.dumps(told)})
    merge = table.merge(rows, "s.flight = t.flight", source_alias="s", target_alias="t", commit_properties=label)
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    head, newest, before, _ = flights.lake("history", "silver.flights").stdout.splitlines()
    assert " ".join(head.split()) == "version time (UTC) operation run interval inserted updated deleted"
    assert newest.split()[3:] == ["MERGE", told["run_id"], "2013-01-01..2013-01-07", "1", "1", "0"]
    assert (before.split()[3:], len(newest.rstrip()) <= 120) == (["WRITE", "2"], True)


def test_history_gives_programs_everything(flights: Project) -> None:
    newest, _ = json.loads(flights.lake("history", "silver.flights", "--json").stdout)
    assert (newest["inserted"], newest["updated"], newest["metrics"]["num_added_files"]) == (2, None, "1")


@pytest.mark.parametrize(
    ("metrics", "changed"),
    [
        ({"numOutputRows": "7", "numCopiedRows": "3", "numFiles": "1"}, (4, None, None)),
        ({"numOutputRows": "5"}, (5, None, None)),
        ({"numTargetRowsInserted": "1", "numTargetRowsUpdated": "2", "numOutputRows": "9"}, (1, 2, None)),
        ({"numDeletedRows": "4", "numCopiedRows": "3"}, (None, None, 4)),
        ({"numRestoredFiles": "1"}, (None, None, None)),
    ],
)
def test_spark_s_counts_are_understood(metrics: dict[str, str], changed: tuple[int | None, ...]) -> None:
    version = Version(1, datetime(2013, 1, 1, tzinfo=UTC), "WRITE", "", metrics)
    assert tuple(rows_changed(version).values()) == changed


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ("silver.flihgts", "Did you mean silver.flights? There are: silver.flights."),
        ("silver.planes", "Its notebook has not written it yet: lake run silver.planes --with-upstream."),
        ("quarantine.silver__flights", "No row of silver.flights was rejected yet"),
    ],
)
def test_a_table_that_is_not_there_is_told_with_what_is(flights: Project, table: str, hint: str) -> None:
    flights.notebook("silver.planes")
    asked = flights.lake("history", table)
    assert (asked.returncode, hint in asked.stderr) == (2, True)


def test_an_error_in_the_data_is_told_without_a_traceback(flights: Project) -> None:
    asked = flights.lake("sql", "SELECT flight / 0 AS n FROM silver.flights")
    assert (asked.returncode, len(asked.stderr.splitlines())) == (2, 2)
    assert "divi" in asked.stderr.lower()


@pytest.mark.parametrize("value", ["DATE '10000-01-01'", "array(TIMESTAMP '0000-01-01 00:00:00')"])
def test_a_day_that_python_does_not_know_is_told_with_its_column(project: Project, value: str) -> None:
    asked = project.lake("sql", f"SELECT 1 AS a, {value} AS day")
    assert (asked.returncode, len(asked.stderr.splitlines())) == (2, 2)
    assert "Column day has a day before the year 1 or after 9999" in asked.stderr
    assert project.lake("sql", f"SELECT CAST({value} AS STRING) AS day").returncode == 0


def test_hints_name_commands_that_exist(project: Project) -> None:
    hints = "\n".join(path.read_text() for path in (PROJECT / "lakelib").rglob("*.py"))
    commands = set(re.findall(r"`lake ([a-z]+)", hints))
    assert {"run", "history"} <= commands
    assert [command for command in sorted(commands) if project.lake(command, "--help").returncode] == []


def test_a_delivery_that_is_held_says_what_can_be_done(tmp_path: Path) -> None:
    (tmp_path / "shops").mkdir()
    (tmp_path / "shops" / "shops_2013-01-01.csv").write_text("shop\n")
    source = csv("shops/shops_{date}.csv")
    [delivery] = find_deliveries(source, landing=UPath(tmp_path), interval=Interval(date(2013, 1, 1), date(2013, 1, 1)))
    with pytest.raises(DeliveryRefusedError) as held:
        parse(
            delivery,
            source=source,
            expected=Expected(["shop"]),
            ingested_at=NOON,
            run_id="run",
            into=tmp_path / "rows.parquet",
        )
    assert (held.value.verdict, "move this one out of landing" in held.value.hint) == ("held", True)
