import json
from pathlib import Path

import pytest

from lakelib.cli.doctor import checks
from lakelib.settings import load_settings
from tests.runner.projects import Project


@pytest.fixture
def delivered(project: Project) -> Project:
    """A notebook that ingests, and a delivery for it."""
    project.notebook("bronze.a", 'ingest.csv("a/a_{date}.csv")')
    (project.folder / "data/landing/a").mkdir(parents=True)
    (project.folder / "data/landing/a/a_2013-01-01.csv").write_text("a\n1\n")
    return project


def test_a_sound_project_passes_every_check(delivered: Project) -> None:
    ended = delivered.lake("doctor", "--json")
    found = {check["name"]: check["is_passed"] for check in json.loads(ended.stdout)}
    assert ended.returncode == 0
    assert {"Python", "pysail", "deltalake", "kernel lake", "versions", "disk", "landing"} <= found.keys()
    assert set(found.values()) == {True}


def test_another_version_than_the_lock_says_is_named_with_the_fix(project: Project) -> None:
    (project.folder / "requirements.lock").write_text(
        "typer==0.0.1 \\\n    --hash=sha256:00\nnothing-of-that-name==1\n"
    )
    ended = project.lake("doctor")
    assert ended.returncode == 1
    assert "FAIL versions: typer" in ended.stdout
    assert "instead of 0.0.1; nothing-of-that-name missing instead of 1" in ended.stdout
    assert "Fix: make env" in ended.stdout


def test_a_folder_below_which_the_engine_finds_no_table_is_named(project: Project) -> None:
    place = {check.name: check for check in checks(load_settings(project.folder, lake="a b"))}["lake"]
    assert not place.is_passed
    assert "below a folder with ' ' in its name" in place.found


def test_java_and_jars_are_looked_at_only_for_spark(project: Project) -> None:
    embedded = {check.name for check in checks(load_settings(project.folder))}
    spark = {check.name: check for check in checks(load_settings(project.folder, engine="spark"))}
    assert {"Java", "Delta's jars"} & embedded == set()
    assert spark["Java"].is_passed


def test_a_java_home_without_java_is_named(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text("engine: spark\nspark: {java_home: /nowhere}")
    java = {check.name: check for check in checks(load_settings(project.folder))}["Java"]
    assert not java.is_passed
    assert "spark.java_home" in java.fix


def test_a_folder_that_cannot_be_written_is_named(project: Project) -> None:
    Path(project.folder / ".lake").write_text("a file in the way")
    ended = project.lake("doctor")
    assert ended.returncode == 1
    assert "FAIL folder warehouse" in ended.stdout


@pytest.mark.parametrize(
    ("landing", "failed", "fix"),
    [
        ("data/nowhere", "landing", "mkdir -p"),
        ("data", "deliveries a/a_{date}.csv", "/data/a/a_2013-01-31.csv there"),
        ("data/landing", "deliveries a/a_{date}.csv", "mend the pattern in notebooks/bronze/a.ipynb"),
    ],
)
def test_a_landing_without_deliveries_is_named_with_the_fix(
    delivered: Project, landing: str, failed: str, fix: str
) -> None:
    (delivered.folder / "data/landing/a/a_2013-01-01.csv").rename(delivered.folder / "data/landing/a/b.csv")
    (delivered.folder / "conf" / "local.yml").write_text(f"landing: {landing}")
    found = {check.name: check for check in checks(load_settings(delivered.folder))}
    assert (found[failed].is_passed, fix in found[failed].fix) == (False, True)


def test_files_beside_deliveries_are_told(delivered: Project) -> None:
    (delivered.folder / "data/landing/a/b.csv").touch()
    found = {check.name: check.found for check in checks(load_settings(delivered.folder))}
    assert found["deliveries a/a_{date}.csv"] == "1 files, beside 1 of other names such as a/b.csv"
