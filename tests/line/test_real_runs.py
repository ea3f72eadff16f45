"""The demonstration as a user runs it: the `lake` command, a kernel for each notebook, on both engines."""

import json
import os
from pathlib import Path

from tests import lake_command
from tests.line.conftest import ROOT
from tests.line.oracles import ORACLES, TABLES, content, mismatches, rows


def lake(*arguments: str, into: Path, env: dict[str, str] | None = None) -> str:
    """What the command prints; it has to succeed."""
    variables = os.environ | {"LAKE_PROJECT": str(ROOT), "LAKE_LAKE": str(into)} | (env or {})
    done = lake_command.lake(*arguments, cwd=ROOT, env=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_both_engines_give_the_oracles_answers_and_the_same_rows(tmp_path, spark_environment):
    """Two days, one after the other on the one engine, in one interval on the other."""
    first, second = tmp_path / "embedded", tmp_path / "spark"
    for day in ("2013-01-01", "2013-01-02"):
        lake("run", "--from", day, into=first, env={"LAKE_ENGINE": "embedded"})
        if day == "2013-01-01":
            assert mismatches(first / "warehouse", "day_001") == []
    lake("run", "--from", "2013-01-01", "--to", "2013-01-02", into=second, env=spark_environment)
    for table in TABLES:
        assert content(first / "warehouse", table).equals(content(second / "warehouse", table)), table
    rest = ("--from", "2013-01-03", "--to", "2013-01-07")
    lake("run", "silver.flights", "--with-upstream", *rest, into=second, env={"LAKE_ENGINE": "embedded"})
    told = json.loads((ORACLES / "day_007.json").read_text())["silver_rows"]["flights"]
    assert len(rows(second / "warehouse", "silver.flights")) == told, "one lake is written by both engines in turn"


def test_a_second_run_says_that_no_row_changed(tmp_path):
    for published in (842, 0):
        said = json.loads(lake("run", "bronze.flights", "--from", "2013-01-01", "--json", into=tmp_path))
        assert [(run["status"], run["rows"]["published"]) for run in said] == [("succeeded", published)]
