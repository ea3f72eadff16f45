"""Projects that `lake init` makes and tables that `lake new` adds, run by the real command with no file of this one."""

import ast
import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import nbformat
import pytest

from lakelib import context
from lakelib.errors import LakeError, SettingsError, UsageError
from lakelib.names import TableName
from lakelib.scaffold import make_project, make_table
from lakelib.scaffold.table import _renaming
from tests.architecture.notebook_style import problems
from tests.architecture.project_files import PROJECT
from tests.runner.projects import Project

NOT_RUN_YET = {"is_stored_with_outputs"}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A new project, to which commands of this process belong as well."""
    make_project(tmp_path / "shop")
    monkeypatch.setenv("LAKE_PROJECT", str(tmp_path / "shop"))
    monkeypatch.chdir(tmp_path / "shop")
    context.end()
    yield Project(tmp_path / "shop")
    context.end()


def broken_rules(project: Project) -> dict[str, list[str]]:
    """Of each notebook that breaks some, the rules of the notebook style."""
    found = {}
    for path in project.folder.glob("notebooks/*/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        table = f"{path.parent.name}.{path.stem}"
        found[table] = [each.rule for each in problems(notebook, table=table) if each.rule not in NOT_RUN_YET]
    return {table: rules for table, rules in found.items() if rules}


def answer(project: Project, query: str) -> list[Sequence[object]]:
    return [tuple(row.values()) for row in json.loads(project.lake("sql", query, "--json").stdout)]


def done(project: Project, *arguments: str) -> str:
    ended = project.lake(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_where_the_example_could_not_run_no_project_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="below a folder with ' ' in its name"):
        make_project(tmp_path / "my shop")
    assert not (tmp_path / "my shop").exists()


def test_a_new_project_runs_at_once(tmp_path: Path) -> None:
    done(Project(tmp_path), "init", "shop")
    made = Project(tmp_path / "shop")
    assert broken_rules(made) == {}
    done(made, "run")
    query = "SELECT shop, sold_on, revenue_eur FROM gold.kpi_shop_daily ORDER BY shop, sold_on"
    assert answer(made, query) == [
        ("Basel", "2024-05-01", "43.00"),
        ("Basel", "2024-05-02", "3.50"),
        ("Chur", "2024-05-01", "14.00"),
        ("Chur", "2024-05-02", "24.00"),
    ]
    assert answer(made, "SELECT messages FROM quarantine.silver__sales") == [(["quantity = 'one' is no int"],)]


def test_a_new_project_names_itself_and_nothing_of_this_one(made: Project) -> None:
    texts = {path: path.read_text() for path in made.folder.rglob("*") if path.is_file()}
    assert texts[made.folder / "README.md"].startswith("# shop\n")
    assert (made.folder / ".gitignore").is_file()
    assert (made.folder / ".github" / "workflows" / "ci.yml").is_file()
    requirement = texts.pop(made.folder / "requirements.txt").splitlines()[1]
    assert re.match(r"lakelib( @ |==)\S+$", requirement)
    words = ("flights", "airport", "PROJECT_NAME", str(PROJECT))
    assert [path for path, text in texts.items() if any(word in text for word in words)] == []


def test_what_is_there_is_not_written_over(made: Project) -> None:
    with pytest.raises(UsageError, match="something is there"):
        make_project(made.folder)


def test_tables_are_added_from_deliveries_to_gold(made: Project) -> None:
    landing = made.folder / "data" / "landing" / "loans"
    landing.mkdir()
    (landing / "loans_20240105.csv").write_text("Loan No;Reader Name;Lent On\n1;Ann;2024-01-05\n2;Bob;2024-01-05\n")
    (landing / "loans_20240106.csv").write_text("Loan No;Reader Name;Lent On\n2;Bea;2024-01-05\n3;Ann;2024-01-06\n")
    for layer, name, origin in (
        ("bronze", "loans", "data/landing/loans"),
        ("silver", "loans", "bronze.loans"),
        ("gold", "loans_daily", "silver.loans"),
    ):
        by = ["--by", "lent_on"] if name == "loans_daily" else []
        done(made, "new", layer, name, "--from", origin, *by)
        done(made, "run", f"{layer}.{name}")
    assert broken_rules(made) == {}
    assert answer(made, "SELECT lent_on, rows FROM gold.loans_daily ORDER BY 1") == [
        ("2024-01-05", 2),
        ("2024-01-06", 1),
    ]
    assert answer(made, "SELECT loan_no, reader_name, lent_on FROM silver.loans ORDER BY 1") == [
        (1, "Ann", "2024-01-05"),
        (2, "Bea", "2024-01-05"),
        (3, "Ann", "2024-01-06"),
    ]
    again = made.lake("new", "silver", "loans", "--from", "bronze.loans")
    assert again.returncode == 2
    assert "contracts/silver/loans.yml" in again.stderr


def test_a_table_of_a_database_is_added(made: Project) -> None:
    with closing(sqlite3.connect(made.folder / "crm.db")) as connection:
        connection.executescript("CREATE TABLE people (id INTEGER, name TEXT); INSERT INTO people VALUES (1, 'Ann')")
    done(made, "new", "bronze", "people", "--from", f"sqlite:///{made.folder}/crm.db/people")
    assert broken_rules(made) == {}
    done(made, "run", "bronze.people")
    assert answer(made, "SELECT id, name FROM bronze.people") == [(1, "Ann")]


@pytest.mark.parametrize(
    ("name", "text", "source"),
    [
        ("a_2024-01-05.csv", "x,y\n1,2\n", 'ingest.csv("things/a_{date}.csv")'),
        ("a.tsv", "x\ty\n1\t2\n", 'ingest.csv("things/a.tsv", delimiter="\\t")'),
        ("20240105.jsonl", '{"x": 1}\n', 'ingest.jsonl("things/{date:%Y%m%d}.jsonl")'),
        ("13-01-2024.csv", "x\n1\n", 'ingest.csv("things/{date:%d-%m-%Y}.csv")'),
        ("a_2024-01.xml", "<a><b c='1'/></a>", 'ingest.xml("things/a_{date:%Y-%m}.xml", row="b")'),
        ("a-99999999.json", '[{"x": 1}]', 'ingest.json("things/a-99999999.json")'),
    ],
)
def test_a_source_is_said_as_its_file_shows_it(made: Project, name: str, text: str, source: str) -> None:
    (made.folder / "data" / "landing" / "things").mkdir()
    (made.folder / "data" / "landing" / "things" / name).write_text(text)
    added = make_table(TableName("bronze", "things"), f"data/landing/things/{name}")
    notebook = nbformat.read(added.notebook_file, as_version=4)
    assert f"source = {source}\n" in notebook.cells[5].source


def test_an_origin_may_be_told_by_its_path_in_landing(made: Project) -> None:
    (made.folder / "data" / "landing" / "things").mkdir()
    (made.folder / "data" / "landing" / "things" / "2024-01-13.csv").write_text("x\n1\n")
    added = make_table(TableName("bronze", "things"), "things")
    notebook = nbformat.read(added.notebook_file, as_version=4)
    assert 'ingest.csv("things/{date}.csv")' in notebook.cells[5].source


@pytest.mark.parametrize(
    ("layer", "origin", "said"),
    [
        ("bronze", "README.md", "cp "),
        ("bronze", "data/landing/nothing", "no such file, and no folder with files"),
        ("silver", "bronze.seles", "there is none of that name"),
        ("silver", "README.md", "a table's name is layer.table"),
    ],
)
def test_an_origin_that_is_none_is_refused(made: Project, layer: str, origin: str, said: str) -> None:
    with pytest.raises(LakeError, match=said):
        make_table(TableName(layer, "things"), origin)
    assert not list(made.folder.rglob("things.*"))


def test_columns_of_any_name_are_renamed_by_code_that_is_python() -> None:
    renamed = {'say "hi"': "say_hi", "back\\slash": "back_slash", "naïve 😀": "na_ve"}
    told = _renaming(renamed).removeprefix(".withColumnsRenamed(").removesuffix(")")
    assert ast.literal_eval(told.strip()) == renamed
