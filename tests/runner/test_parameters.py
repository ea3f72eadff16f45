from datetime import date, datetime
from typing import Any

import pytest

from lakelib.errors import ParameterError
from lakelib.intervals import Interval
from lakelib.runner import find_notebooks, resolve
from tests.runner.projects import DATES, Project


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        ('day: date = "2013-01-01"', "2013-02-03", "2013-02-03"),
        ("n: int = 1", "7", 7),
        ("share: float = 0.5", "1e-3", 0.001),
        ("is_full: bool = False", "true", True),
        ('name: str = ""', "7", "7"),
        ("n: int | None = None", "None", None),
        ("n: int | None = None", "3", 3),
        ("n = 1", "2", 2),
        ('names: list[str] = ["a"]', "['b', 'c']", ["b", "c"]),
        ('mode: Literal["full", "new"] = "full"', "new", "new"),
    ],
)
def test_a_text_becomes_what_the_annotation_says(project: Project, parameter: str, text: str, value: Any) -> None:
    project.notebook("bronze.a", parameters=parameter)
    name = parameter.partition(":")[0].partition(" ")[0]
    [request] = resolve(find_notebooks(project.folder), interval=None, given={name: text})
    assert request.values == {name: value}


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        ('x: date = "2013-01-01"', "2013-02-30"),
        ("x: int = 1", "1.5"),
        ("x: float = 1.0", "much"),
        ("x: bool = True", "perhaps"),
        ("x: list[int] = [1]", "{1: 2}"),
        ("x: dict[str, int] = {}", "run()"),
        ("x: dict[str, int] = {}", "{[1]: 2}"),
        ('x: Literal["full", "new"] = "full"', "old"),
        ("x: object = 1", "{[]: 1}"),
    ],
)
def test_a_value_of_another_type_is_refused(project: Project, parameter: str, text: str) -> None:
    project.notebook("bronze.a", parameters=parameter)
    with pytest.raises(ParameterError, match="Parameter x of bronze.a is"):
        resolve(find_notebooks(project.folder), interval=None, given={"x": text})


def test_the_interval_becomes_the_dates_of_notebooks_that_have_them(project: Project) -> None:
    project.notebook("bronze.a", parameters=DATES)
    project.notebook("bronze.b", parameters="n: int = 1")
    interval = Interval.parse("2013-01-01", "2013-01-07")
    dated, undated = resolve(find_notebooks(project.folder), interval=interval, given={})
    assert dated.values == {"start_date": "2013-01-01", "end_date": "2013-01-07"}
    assert (dated.interval, undated.interval, undated.given) == (interval, None, {})


def test_a_day_that_nobody_gave_is_told(project: Project) -> None:
    project.notebook("bronze.a", parameters="start_date: date | None = None\nend_date: date | None = None")
    with pytest.raises(ParameterError, match="A date was asked for and None was given"):
        resolve(find_notebooks(project.folder), interval=None, given={})


def test_an_instant_is_no_day() -> None:
    with pytest.raises(ParameterError, match="A date was asked for"):
        Interval.parse(datetime(2013, 1, 1, 5), date(2013, 1, 2))


def test_a_day_of_another_library_is_one() -> None:
    class Day(date): ...

    assert str(Interval.parse(Day(2013, 1, 1), "2013-01-02")) == "2013-01-01..2013-01-02"


def test_an_interval_grows_no_further_than_the_calendar() -> None:
    whole = Interval.parse("0001-01-02", "9999-12-30").days_earlier(7).days_later(7)
    assert whole == Interval(date.min, date.max)


def test_an_unknown_name_gets_the_closest_one(project: Project) -> None:
    project.notebook("bronze.a", parameters=DATES)
    with pytest.raises(ParameterError) as refused:
        resolve(find_notebooks(project.folder), interval=None, given={"start_dat": "2013-01-01"})
    assert "Did you mean start_date?" in refused.value.hint


def test_a_parameter_without_default_must_be_given(project: Project) -> None:
    project.notebook("bronze.a", parameters="name: str")
    with pytest.raises(ParameterError, match="bronze.a wants name"):
        resolve(find_notebooks(project.folder), interval=None, given={})


def test_a_name_counts_when_one_of_the_notebooks_has_it(project: Project) -> None:
    project.notebook("bronze.a", parameters="n: int = 1")
    project.notebook("bronze.b")
    with_n, without = resolve(find_notebooks(project.folder), interval=None, given={"n": "2"})
    assert (with_n.values, without.values) == ({"n": 2}, {})


def test_dates_that_end_before_they_start_are_refused(project: Project) -> None:
    project.notebook("bronze.a", parameters=DATES)
    with pytest.raises(ParameterError, match="ends before it starts"):
        resolve(find_notebooks(project.folder), interval=None, given={"end_date": "2012-12-31"})
