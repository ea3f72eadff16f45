import json
import subprocess
import sys
from pathlib import Path

import pytest

from lakelib import kernels
from tests.runner.projects import DATES, Project

SLOW = {"pyspark", "pysail", "deltalake", "papermill", "sqlalchemy", "pandas", "pyarrow", "nbconvert", "nbformat"}


@pytest.fixture
def line(project: Project) -> Project:
    project.notebook("bronze.a", 'ingest.csv("a_{date}.csv")', parameters=DATES)
    project.notebook("silver.b", reads=["bronze.a"])
    return project


def test_notebooks_are_listed_with_what_they_read_and_want(line: Project) -> None:
    first, second = json.loads(line.lake("ls", "--json").stdout)
    assert (first["table"], first["sources"], second["reads"]) == ("bronze.a", ["a_{date}.csv"], ["bronze.a"])
    assert [(p["name"], p["type"], p["default"], p["help"]) for p in first["parameters"]] == [
        ("start_date", "date", "2013-01-01", "first day"),
        ("end_date", "date", "2013-01-01", "last day"),
    ]
    assert "start_date: date = 2013-01-01" in line.lake("ls").stdout


def test_the_graph_is_text_mermaid_or_json(line: Project) -> None:
    assert line.lake("graph").stdout.splitlines() == ["bronze.a ← a_{date}.csv", "silver.b ← bronze.a"]
    assert line.lake("graph", "--mermaid").stdout.startswith("flowchart LR\n")
    assert json.loads(line.lake("graph", "--json").stdout) == {"bronze.a": [], "silver.b": ["bronze.a"]}


def test_runs_are_listed_and_shown_and_made_again_from_the_archive(line: Project) -> None:
    line.lake("run")
    (line.folder / ".lake" / "runs.db").unlink()
    newest, oldest = json.loads(line.lake("runs", "--rebuild", "--json").stdout)
    assert (newest["table_name"], oldest["table_name"], newest["status"]) == ("silver.b", "bronze.a", "succeeded")
    assert oldest["run_id"] in line.lake("runs").stdout
    assert json.loads(line.lake("show", oldest["run_id"], "--json").stdout)["sources"] == ["a_{date}.csv"]
    assert f"{oldest['run_id']}.html" in line.lake("show", oldest["run_id"]).stdout
    assert "papermill, messages, the archive" in line.lake("show", oldest["run_id"], "--timing").stdout
    assert json.loads(line.lake("show", oldest["run_id"], "--timing", "--json").stdout)[0]["part"] == "kernel"


def test_an_unknown_run_is_wrong_use(line: Project) -> None:
    ended = line.lake("show", "2026")
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (2, "Error: Run '2026' was asked for; none begins so.")


@pytest.mark.parametrize("found", ["", "{}", "null", '{"run_id": \xff'])
@pytest.mark.parametrize("command", [("archive", "ls"), ("vacuum",), ("lineage", "silver.b"), ("runs", "--rebuild")])
def test_a_damaged_receipt_is_named(line: Project, found: str, command: tuple[str, ...]) -> None:
    receipt = line.settings.archive / "silver" / "b" / "2013-01-01" / "20130101T000000-abcdef.json"
    receipt.parent.mkdir(parents=True, exist_ok=True)
    receipt.write_bytes(found.encode("latin-1"))
    try:
        told = line.lake(*command)
    finally:
        receipt.unlink()
    if (found, command[0]) == ("{}", "lineage"):  # a run that has not ended
        assert told.returncode == 0
        return
    assert (told.returncode, str(receipt) in told.stderr) == (1, True), told.stderr
    assert told.stderr.startswith("Error: The receipt "), told.stderr


def test_outside_a_project_the_way_in_is_told(tmp_path_factory: pytest.TempPathFactory, line: Project) -> None:
    elsewhere = Project(tmp_path_factory.mktemp("elsewhere"))
    ended = elsewhere.lake("ls", LAKE_PROJECT="")
    assert (ended.returncode, "LAKE_PROJECT" in ended.stderr) == (2, True)


def test_a_project_that_is_not_where_it_is_said_to_be_is_told(tmp_path: Path, line: Project) -> None:
    ended = line.lake("ls", LAKE_PROJECT=str(tmp_path / "nope"))
    assert (ended.returncode, ended.stderr.count("nope"), "LAKE_PROJECT" in ended.stderr) == (2, 1, True)


@pytest.mark.parametrize("file", ["conf/local.yml", "contracts/bronze/a.yml", "notebooks/bronze/a.ipynb"])
def test_a_file_that_is_no_utf_8_is_named(line: Project, file: str) -> None:
    place = line.folder / file
    before = place.read_bytes()
    place.write_bytes(before + b"# caf\xe9\n")
    ended = line.lake("run", "bronze.a", "--from", "2013-01-01")
    place.write_bytes(before)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
    assert "can't decode byte 0xe9" in ended.stderr
    assert file.rpartition("/")[2] in ended.stderr


def _imported(function: str, arguments: list[str], *, project: Project) -> set[str]:
    """What a process has imported at the end of the command."""
    code = f"import sys, atexit\natexit.register(lambda: print(*sys.modules))\nsys.argv[1:] = {arguments}\n"
    module, _, name = function.rpartition(".")
    code += f"from {module} import {name}\n{name}()"
    ended = subprocess.run([sys.executable, "-c", code], cwd=project.folder, capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["ls"], ["graph"]])
def test_looking_imports_nothing_slow(line: Project, arguments: list[str]) -> None:
    assert SLOW & _imported("lakelib.cli.app.run", arguments, project=line) == set()


@pytest.mark.parametrize(
    "arguments",
    [["ls", "--json"], ["graph"], ["sql", "SELECT 1 AS one"], ["sql", "nonsense"], ["show", "2026"], ["nope"]],
)
def test_a_resident_process_gives_the_same_answer(line: Project, arguments: list[str], *, tmp_path: Path) -> None:
    alone = line.lake(*arguments, JUPYTER_RUNTIME_DIR=str(tmp_path / "empty"))
    kernels.warm()
    forked = line.lake(*arguments)
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_what_a_resident_process_answers_imports_nothing(line: Project) -> None:
    kernels.warm()
    assert "typer" not in _imported("lakelib.cli.main", ["ls"], project=line)
    assert "typer" in _imported("lakelib.cli.main", ["doctor", "--help"], project=line)
