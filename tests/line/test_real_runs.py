"""The demonstration as a user runs it: the `lake` command, a kernel for each notebook, on both engines."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.line.conftest import ROOT
from tests.line.oracles import NEXT_DAY, TABLES, content, mismatches


def lake(*arguments: str, into: Path, env: dict[str, str] | None = None) -> str:
    """What the command prints; it has to succeed."""
    command = [str(Path(sys.executable).with_name("lake")), *arguments]
    variables = os.environ | {"LAKE_PROJECT": str(ROOT), "LAKE_LAKE": str(into)} | (env or {})
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_both_engines_give_the_oracles_answers_and_the_same_rows(tmp_path, spark_environment):
    first, second = tmp_path / "embedded", tmp_path / "spark"
    for into, env in ((first, {"LAKE_ENGINE": "embedded"}), (second, spark_environment)):
        lake("run", "--from", "2013-01-01", into=into, env=env)
        assert mismatches(into / "warehouse", "day_001") == []
        lake("run", *NEXT_DAY, "--from", "2013-01-02", into=into, env=env)
    for table in TABLES:
        assert content(first / "warehouse", table).equals(content(second / "warehouse", table)), table


def test_one_lake_is_written_by_both_engines_in_turn(tmp_path, spark_environment):
    lake("run", "bronze", "silver", "--from", "2013-01-01", into=tmp_path, env={"LAKE_ENGINE": "embedded"})
    lake("run", "bronze.flights", "silver.flights", "--from", "2013-01-02", into=tmp_path, env=spark_environment)
    lake("run", "--from", "2013-01-01", "--to", "2013-01-07", into=tmp_path, env={"LAKE_ENGINE": "embedded"})
    assert mismatches(tmp_path / "warehouse", "day_007") == []


def test_a_second_run_says_that_no_row_changed(tmp_path):
    for published in (842, 0):
        said = json.loads(lake("run", "bronze.flights", "--from", "2013-01-01", "--json", into=tmp_path))
        assert [(run["status"], run["rows"]["published"]) for run in said] == [("succeeded", published)]
