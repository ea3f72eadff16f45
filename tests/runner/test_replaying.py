"""A run is done again from what its receipt names, whatever happened to the lake since."""

import json
import os
import subprocess
import sys

import pytest
from deltalake import DeltaTable

from lakelib.runner.replaying import replay
from lakelib.runner.results import RunResult
from tests.runner.projects import DATES, Project, committed
from tests.runner.real import IMPORTS, START, add_names, real_project

DRIFTS = (
    "from pathlib import Path\nfrom pyspark.sql import functions as F\n"
    "word = Path(r'{word}').read_text()\n"
    "tables.overwrite(names.limit(1).withColumn('name', F.lit(word)), run.contract)"
)

# In two forks of a process that has imported what they need, as kernels are; the table's version after each.
TWICE = """
import os, sys
from deltalake import DeltaTable
from lakelib.kernels.preload import preload

preload()
for _ in range(2):
    if (child := os.fork()) == 0:
        exec(sys.argv[1])
        print(DeltaTable(sys.argv[2]).version(), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def _ran(project: Project) -> RunResult:
    result = project.run("silver.b", parameters={"end_date": "2013-01-02"})["silver.b"]
    assert result.status == "succeeded", result.error
    return result


def test_a_replay_has_code_contract_and_input_of_then_and_leaves_the_lake_alone(project: Project) -> None:
    revision = committed(real_project(project))
    result = _ran(project)
    add_names(project, "Later")
    project.contract("silver.b", primaryKey=True, logicalTypeOptions={"maxLength": 1}, logicalType="string")
    table = str(project.settings.warehouse / "silver" / "b")
    before = DeltaTable(table).version()
    assert result.archived is not None
    blanked = result.archived.notebook.read_text().replace("from datetime", "from ***")
    result.archived.notebook.write_text(blanked)
    done = replay(result.archived, project.settings)
    assert (done.is_equal, done.rows, done.commit, done.remarks) == (True, 2, revision, [])
    assert DeltaTable(table).version() == before
    assert done.result.receipt is not None
    assert done.result.receipt.parameters["end_date"] == "2013-01-02"


def test_a_result_that_is_not_the_same_is_counted_and_what_changed_is_named(project: Project) -> None:
    word = project.folder / "word"
    word.write_text("first")
    revision = committed(real_project(project))
    result = _ran(real_project(project, write=DRIFTS.format(word=word)))
    word.write_text("second")
    project.contract("silver.b", primaryKey=True, description="other")
    committed(project)
    assert result.archived is not None
    done = replay(result.archived, project.settings)
    assert (done.is_equal, done.missing, done.unexpected) == (False, 1, 1)
    assert done.remarks == [f"the code of the run is not in its commit {revision}"]


def test_a_replay_has_the_modules_of_then_where_they_were_committed(project: Project) -> None:
    real_project(project, write="import word\n" + DRIFTS.replace("Path(r'{word}').read_text()", "word.word"))
    module = project.folder / "notebooks" / "silver" / "word.py"
    module.write_text("word = 'committed'")
    committed(project)
    kept = _ran(project)
    module.write_text("word = 'committed'  # not this time")
    lost = _ran(project)
    module.unlink()
    assert kept.archived is not None
    assert lost.archived is not None
    done = replay(kept.archived, project.settings)
    assert (done.is_equal, done.remarks) == (True, [])
    assert replay(lost.archived, project.settings).remarks == ["notebooks/silver/word.py changed since the run"]


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
    command = [sys.executable, "-c", TWICE, code, str(project.settings.warehouse / "silver" / "b")]
    ended = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.split()) == (0, ["1", "1"]), ended.stderr
