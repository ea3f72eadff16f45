from pathlib import Path

import pytest

from lakelib.errors import SettingsError
from lakelib.secrets import read_secret
from lakelib.settings import check_place, load_settings, make_lake
from tests.runner.projects import Project


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LAKE_LANDNG", "data", "LAKE_LANDNG is set; there is no such setting.\nHint: Did you mean LAKE_LANDING?"),
        ("LAKE_SPARK__MEMRY", "4g", "Did you mean LAKE_SPARK__MEMORY?"),
        ("LAKE_ENV", "prod", "Environment 'prod' was asked for"),
        ("LAKE_ENGINE", "sparc", "LAKE_ENGINE is 'sparc'; it must be embedded, spark, or sc://host:port"),
        ("LAKE_PARALLEL", "none", "LAKE_PARALLEL is 'none'; it must be a whole number from 1"),
        ("LAKE_ALERTS", "slack", "LAKE_ALERTS is 'slack'; it must be a list of apprise addresses"),
        ("LAKE_SPARK__CONF", "a=1", "LAKE_SPARK__CONF is 'a=1'; it must be Spark's own settings"),
        ("LAKE_SPARK", "5", "LAKE_SPARK is 5; it must be a mapping"),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_right(
    project: Project, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings(project.folder)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ("landng: data", "local.yml sets landng; there is no such setting.\nHint: Did you mean landing?"),
        (
            "spark: {memry: 4g}",
            "local.yml sets spark.memry; there is no such setting.\nHint: Did you mean spark.memory?",
        ),
        ("spark: big", "Did you mean spark."),
        ("parallel: 0", "The setting parallel in"),
        ("spark: {idle_minutes: soon}", "spark.idle_minutes"),
        ("engine: [", "is not YAML"),
        ("- engine", "holds no settings"),
        ("lake: 2013-02-30", "is not YAML"),
        ("alerts: [5]", "is 5; it must be a list of apprise addresses"),
        ("spark: {conf: {spark.speculation: true}}", "is True; it must be Spark's own settings"),
        ("spark: {idle_minutes: -1}", "must be a number above 0"),
    ],
)
def test_a_wrong_conf_is_named_with_what_is_right(project: Project, conf: str, said: str) -> None:
    (project.folder / "conf" / "local.yml").write_text(conf)
    with pytest.raises(SettingsError) as refused:
        load_settings(project.folder)
    assert said in str(refused.value)
    assert "pydantic" not in str(refused.value)


def test_a_section_whose_settings_are_all_commented_out_says_nothing(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text("spark:\n#  memory: 4g\nparallel: 3")
    assert load_settings(project.folder).parallel == 3


def test_a_project_is_where_it_was_found_however_a_variable_names_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder.parent)
    monkeypatch.setenv("LAKE_PROJECT", project.folder.name)
    assert load_settings().project == project.folder.resolve()
    monkeypatch.setenv("LAKE_PROJECT", "another")
    assert load_settings(project.folder).project == project.folder


def test_a_secret_in_a_file_that_is_no_text_is_told_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"hunter2\xff")
    with pytest.raises(SettingsError, match="the file is not text") as refused:
        read_secret(f"file:{tmp_path}/token")
    assert "hunter2" not in str(refused.value)


def test_a_variable_that_is_like_no_setting_or_that_a_secret_reference_names_is_the_users(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "conf" / "local.yml").write_text("spark: {token: env:LAKE_SPARK_TOKEN}\nparallel: 3")
    monkeypatch.setenv("LAKE_SPARK_TOKEN", "hunter2")
    monkeypatch.setenv("LAKE_DATABASE_PASSWORD", "hunter3")
    assert load_settings(project.folder).parallel == 3


@pytest.mark.parametrize("command", ["ls", "graph", "doctor", "run"])
def test_every_command_refuses_a_wrong_setting(project: Project, command: str) -> None:
    project.notebook("bronze.a")
    ended = project.lake(command, LAKE_ENGINE="sparc")
    assert (ended.returncode, "LAKE_ENGINE is 'sparc'" in ended.stderr) == (2, True)


def test_a_lake_that_can_not_be_written_is_named_with_its_setting(project: Project) -> None:
    (project.folder / "file").touch()
    settings = load_settings(project.folder, lake="file/lake")
    with pytest.raises(SettingsError, match=r"folder .*/file/lake can't be written: Not a directory") as refused:
        make_lake(settings)
    assert "LAKE_LAKE" in refused.value.hint


@pytest.mark.parametrize("name", ["a b", "ü", "a#b", "a%41", "{a,b}", "[a]"])
def test_a_place_whose_tables_the_engine_can_not_read_is_told(project: Project, name: str) -> None:
    there = load_settings(project.folder, lake=str(project.folder / name))
    with pytest.raises(SettingsError, match="embedded finds no table"):
        check_place(there)
    with pytest.raises(SettingsError, match="embedded finds no table"):
        make_lake(there)
    check_place(there.model_copy(update={"engine": "spark"}))
    check_place(load_settings(project.folder, lake="a-b_c.d=1/e,f"))
