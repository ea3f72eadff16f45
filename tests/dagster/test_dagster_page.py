"""The file of docs/how-to/run-with-dagster.md, run by Dagster in an environment of its own (`make test-dagster`)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lakelib.runner.archive import receipts
from tests.runner.projects import DATES, Project

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "run-with-dagster.md"
DAGSTER = ROOT / ".lake" / "dagster" / "bin" / "dagster"

pytestmark = pytest.mark.dagster


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.notebook("bronze.a", parameters=DATES)
    project.notebook("silver.b", reads=["bronze.a"], parameters=DATES)
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    (project.folder / "definitions.py").write_text(code.group(1))
    (project.folder / "dagster.yaml").write_text("telemetry: {enabled: false}")
    return project


def _dagster(project: Project, *arguments: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = os.environ | {"PATH": path, "DAGSTER_HOME": str(project.folder), "LAKE_PROJECT": str(project.folder)}
    command = [str(DAGSTER), *arguments, "-f", "definitions.py"]
    return subprocess.run(command, cwd=project.folder, env=variables, capture_output=True, text=True, check=False)


def test_assets_are_materialised_in_order_for_the_days_of_their_partitions(project):
    done = _dagster(project, "asset", "materialize", "--select", "*", "--partition-range", "2013-01-01...2013-01-03")
    assert done.returncode == 0, done.stderr
    ran = sorted((each.started_at, each.table, each.interval) for each in receipts(project.settings.archive))
    assert [each[1:] for each in ran] == [
        ("bronze.a", "2013-01-01..2013-01-03"),
        ("silver.b", "2013-01-01..2013-01-03"),
    ]


def test_a_failed_notebook_fails_its_asset_and_what_waits_for_it_does_not_run(project):
    project.notebook("bronze.a", "1 / 0", parameters=DATES)
    done = _dagster(project, "asset", "materialize", "--select", "*", "--partition", "2013-01-01")
    assert (done.returncode, "ZeroDivisionError" in done.stderr) == (1, True)
    assert [each.table for each in receipts(project.settings.archive)] == ["bronze.a"]
