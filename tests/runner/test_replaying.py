"""A run is done again from what its receipt names, whatever happened to the lake since."""

import json
import os
import subprocess
import sys

import pytest
from deltalake import DeltaTable

from lakelib.runner.replaying import replay
from lakelib.runner.results import RunResult
from tests.runner.projects import DATES, Project
from tests.runner.real import IMPORTS, START, add_names, real_project

DRIFTS = (
    "from pathlib import Path\nfrom pyspark.sql import functions as F\n"
    "word = Path(r'{word}').read_text()\n"
    "tables.overwrite(names.limit(1).withColumn('name', F.lit(word)), run.contract)"
)


def _ran(project: Project) -> RunResult:
    result = project.run("silver.b", parameters={"end_date": "2013-01-02"})["silver.b"]
    assert result.status == "succeeded", result.error
    return result


def test_a_replay_reads_what_the_run_read_and_leaves_the_lake_alone(project: Project) -> None:
    result = _ran(real_project(project))
    add_names(project, "Later")
    table = str(project.settings.warehouse / "silver" / "b")
    before = DeltaTable(table).version()
    assert result.archived is not None
    done = replay(result.archived, project.settings)
    assert (done.is_equal, done.rows, done.remarks) == (True, 2, [])
    assert DeltaTable(table).version() == before
    assert done.result.receipt is not None
    assert done.result.receipt.parameters["end_date"] == "2013-01-02"


def test_a_result_that_is_not_the_same_is_counted_and_what_changed_is_named(project: Project) -> None:
    word = project.folder / "word"
    word.write_text("first")
    result = _ran(real_project(project, write=DRIFTS.format(word=word)))
    word.write_text("second")
    project.contract("silver.b", primaryKey=True, description="other")
    assert result.archived is not None
    done = replay(result.archived, project.settings)
    assert (done.is_equal, done.missing, done.unexpected) == (False, 1, 1)
    assert done.remarks == ["the contract changed since the run"]


def test_what_did_not_succeed_is_not_replayed(project: Project) -> None:
    project.notebook("bronze.a", "1 / 0")
    run_id = json.loads(project.lake("run", "--json").stdout)[0]["run_id"]
    ended = project.lake("replay", run_id)
    assert (ended.returncode, "it failed" in ended.stderr) == (2, True)


@pytest.mark.parametrize("verb", ["append(names, run.contract, batch='name')", "overwrite(names, run.contract)"])
def test_a_write_that_the_run_has_published_is_recognised(project: Project, verb: str) -> None:
    """As when a kernel dies after the commit and its cells are executed again under the same run id."""
    real_project(project)
    code = "\n".join([IMPORTS, DATES, START, f"tables.{verb}"])
    run = json.dumps({"run_id": "r1", "target": "silver.b", "reads": ["bronze.a"]})
    env = os.environ | {"LAKE_PROJECT": str(project.folder), "LAKE_RUN": run}
    versions = []
    for _ in range(2):
        ended = subprocess.run([sys.executable, "-c", code], env=env, check=False, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        versions.append(DeltaTable(str(project.settings.warehouse / "silver" / "b")).version())
    assert versions == [1, 1]
