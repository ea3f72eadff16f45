import re

import pytest

from tests.architecture.project_files import PROJECT
from tests.docs.page import Followed, follow

PAGE = PROJECT / "docs" / "how-to" / "a-lake-of-your-own.md"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return follow(PAGE, home=tmp_path_factory.mktemp("home"))


def test_the_page_shows_what_its_commands_say(followed: Followed) -> None:
    compared = [(step.shown, said[-len(step.shown) :]) for step, said in followed.steps if step.shown]
    assert [said for _, said in compared] == [shown for shown, _ in compared]
    assert len(compared) == 3


def test_the_reader_writes_less_than_100_lines(followed: Followed) -> None:
    assert sum(len(step.text.splitlines()) for step, _ in followed.steps) < 100


def test_nothing_of_the_project_names_this_one_s_data(followed: Followed) -> None:
    texts = [path.read_text() for path in (followed.home / "library").glob("*s/*/*") if path.is_file()]
    assert len(texts) >= 12
    assert [text for text in texts if re.search(r"flights|airport|carrier", text)] == []
