import json
import subprocess
from typing import Any

import pytest

from lakelib import events
from tests.lake_command import LAKE
from tests.runner.projects import DATES, Project, emitting


def test_a_line_a_notebook_and_then_the_archive(project: Project) -> None:
    staged, published = (
        events.Staged("bronze.a", 1234, 0.1),
        events.Published("bronze.a", "load", 1, 1200, 0, 0, True, 0.1),
    )
    project.notebook("bronze.a", emitting(1, staged), emitting(2, published), parameters=DATES)
    ended = project.lake("run", "--from", "2013-01-01", "--to", "2013-01-07")
    line, _, last = ended.stdout.splitlines()
    assert line.split()[:8] == [
        "bronze.a",
        "2013-01-01..2013-01-07",
        "in",
        "1,234",
        "published",
        "1,200",
        "quarantined",
        "0",
    ]
    assert line.endswith("succeeded")
    assert last == f"1 of 1 notebooks succeeded. Archive: {project.folder}/.lake/archive"
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_needs_none_of_its_streams(closed: str, project: Project) -> None:
    project.notebook("bronze.a")
    ended = project.lake("run")
    assert ended.returncode == 0, ended.stderr
    for command in ("runs", "ls", "sql 'SELECT 1'"):
        shell = ["sh", "-c", f"exec {LAKE} {command} {closed}"]
        asked = subprocess.run(shell, cwd=project.folder, capture_output=True, text=True, check=False)
        assert (asked.returncode, asked.stderr) == (0, "")


def test_a_failure_is_told_with_its_cell_and_page_and_exit_code_1(project: Project) -> None:
    project.notebook("bronze.a", "1 / 0")
    project.notebook("silver.b", reads=["bronze.a"])
    ended = project.lake("run")
    assert "silver.b" in ended.stdout
    assert "skipped: bronze.a did not succeed" in ended.stdout
    assert "bronze.a in cell 4: ZeroDivisionError: division by zero" in ended.stdout
    assert ".html" in ended.stdout
    assert (ended.returncode, "Traceback" in ended.stdout + ended.stderr) == (1, False)


def test_json_is_all_of_standard_output(project: Project) -> None:
    project.notebook("bronze.a", parameters=DATES)
    ended = project.lake("run", "bronze.a", "-p", "end_date=2013-01-02", "--json")
    [result] = json.loads(ended.stdout)
    assert (result["table"], result["interval"], result["status"]) == (
        "bronze.a",
        "2013-01-01..2013-01-02",
        "succeeded",
    )
    assert ended.stderr.startswith("bronze.a")


def test_the_engine_of_the_run_is_told_to_the_notebook(project: Project) -> None:
    project.notebook("bronze.a", "import os\nassert os.environ['LAKE_ENGINE'] == 'sc://nowhere:1'")
    assert project.lake("run", "--engine", "sc://nowhere:1").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bronze.b"], "Did you mean bronze.a?"),
        (["-p", "end_date"], "Write -p end_date=value."),
        (["--from", "01.01.2013"], "Dates are written 2013-01-31."),
        (["--to", "2013-01-01"], "--to 2013-01-01 was given without --from."),
        (["--engine", "polars"], "Engines are embedded, spark and sc://host:port."),
    ],
)
def test_wrong_use_is_exit_code_2_with_a_hint_and_no_run(project: Project, arguments: list[str], said: str) -> None:
    project.notebook("bronze.a", parameters=DATES)
    ended = project.lake("run", *arguments)
    assert said in " ".join(ended.stderr.split())
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
    assert not (project.folder / ".lake").exists()


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"requried": True}, "bronze/a.yml, line 14: schema.0.properties.0.requried is not a field of ODCS 3.1."),
        ({"logicalTypeOptions": {"pattern": "(?=a)"}}, "line 15: schema.0.properties.name.logicalTypeOptions.pattern"),
        ({"physicalType": "text"}, "line 13: schema.0.properties.name.physicalType is text, which is no type"),
    ],
)
def test_a_contract_that_can_not_be_held_starts_no_run(project: Project, column: dict[str, Any], said: str) -> None:
    project.notebook("bronze.a")
    project.contract("bronze.a", **column)
    ended = project.lake("run")
    assert (ended.returncode, said in ended.stderr, (project.folder / ".lake").exists()) == (2, True, False)


def test_contracts_of_what_does_not_run_are_not_read(project: Project) -> None:
    project.notebook("bronze.a")
    project.notebook("bronze.b")
    project.contract("bronze.b", requried=True)
    assert project.lake("run", "bronze.a").returncode == 0


def test_secrets_are_not_shown(project: Project) -> None:
    project.notebook("bronze.a", "import os\ndict(of='env:TEST_SECRET')[os.environ['TEST_SECRET']]")
    ended = project.lake("run", TEST_SECRET="hunter2-hunter2")
    assert "KeyError: '***'" in ended.stdout
    assert "hunter2" not in ended.stdout + ended.stderr
