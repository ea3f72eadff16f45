import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.backfill.days import spread_days
from benchmarks.figures import filled
from benchmarks.measuring import PROJECT
from lakelib.intervals import Interval


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trial")
    run("tests.benchmarks.trial", str(folder)).check_returncode()
    return folder


@pytest.fixture
def cases(results: Path) -> dict[str, Any]:
    return {case["case"]: case for case in json.loads((results / "trial.json").read_text())["cases"]}


def test_each_round_begins_with_another_case(results: Path) -> None:
    assert (results / "order").read_text() == "abba"


def test_a_case_is_one_sample_a_round_with_its_spread(cases: dict[str, Any]) -> None:
    first, second = sorted(cases["a"]["samples_s"])
    assert cases["a"]["runs"] == 2
    assert (cases["a"]["min_s"], cases["a"]["max_s"]) == (first, second)
    assert first <= cases["a"]["median_s"] <= second


def test_cpu_time_of_a_process_that_outlives_its_parent_counts(cases: dict[str, Any]) -> None:
    assert 0.2 <= cases["orphan"]["cpu_s"] < 1.0


def test_a_command_can_measure_inside_of_itself(cases: dict[str, Any]) -> None:
    assert cases["inside"]["runs"] == 6
    assert cases["inside"]["cells_s"] == 0.125
    assert 0.19 <= cases["inside"]["cpu_s"] < 0.5


def test_goals_are_compared(cases: dict[str, Any]) -> None:
    assert [cases[name].get("is_goal_met") for name in ("a", "b", "orphan")] == [True, False, None]


def test_a_result_says_where_it_was_measured_and_how_quiet_it_was(results: Path) -> None:
    content = json.loads((results / "trial.json").read_text())
    assert content["machine"]["cores"] >= 1
    assert content["machine"]["versions"]["lakelib"]
    assert 0 < content["noise"]["calibration_min_s"] <= content["noise"]["calibration_max_s"]


@pytest.mark.parametrize(("case", "said"), [("failing", "it broke"), ("leaving", "sleep")])
def test_a_case_that_fails_or_leaves_processes_behind_ends_the_benchmark(case: str, said: str) -> None:
    ended = run("tests.benchmarks.trial", case)
    assert ended.returncode == 1
    assert f"Case {case}" in ended.stderr
    assert said in ended.stderr


@pytest.mark.parametrize("name", ["notebook_overhead", "backfill", "lake_answers"])
def test_every_benchmark_has_a_smoke_run(name: str) -> None:
    assert "--quick" in run(f"benchmarks.{name}", "--help").stdout


def test_sampled_days_reach_from_the_first_to_the_last() -> None:
    days = spread_days(Interval.parse("2013-01-01", "2013-12-31"), 10)
    assert len(set(days)) == 10
    assert [str(days[0]), str(days[-1])] == ["2013-01-01", "2013-12-31"]


def test_a_page_s_marked_place_is_filled_with_the_newest_result(results: Path) -> None:
    page = "Before.\n<!-- results: trial -->\nold\n<!-- end -->\n<!-- results: none -->\nstays\n<!-- end -->\n"
    once = filled(page, results=results)
    assert "| `orphan` |" in once
    assert "old" not in once
    assert "stays" in once
    assert filled(once, results=results) == once
