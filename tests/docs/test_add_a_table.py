from decimal import Decimal
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.architecture.project_files import PROJECT
from tests.docs.page import Followed, follow

PAGE = PROJECT / "docs" / "how-to" / "add-a-table.md"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return follow(PAGE, home=tmp_path_factory.mktemp("home"))


def table(followed: Followed, name: str) -> DeltaTable:
    return DeltaTable(str(followed.home / "shop" / ".lake" / "warehouse" / name))


def test_the_page_has_ten_steps() -> None:
    assert [line[3:5].strip(".") for line in PAGE.read_text().splitlines() if line.startswith("## ")] == [
        str(number) for number in range(1, 11)
    ]


def test_gold_is_what_a_person_works_out_from_the_two_files(followed: Followed) -> None:
    rows = table(followed, "gold/kpi_shop_daily").to_pyarrow_table().to_pylist()
    assert sorted((r["shop"], r["sold_on"].day, r["sales"], r["units"], r["revenue_eur"]) for r in rows) == [
        ("Basel", 1, 2, 2 + 3, Decimal("2") * Decimal("3.50") + 3 * Decimal("12.00")),
        ("Basel", 2, 1, 1, Decimal("3.50")),
        ("Chur", 1, 2, 4 + 1, 4 * Decimal("3.50") + Decimal("12.00")),
        ("Chur", 2, 1, 2, 2 * Decimal("3.50")),
    ]


def test_the_page_shows_what_its_commands_say(followed: Followed) -> None:
    compared = [(said, step.shown) for step, said in followed.steps if step.shown]
    assert [said for said, _ in compared] == [shown for _, shown in compared]
    assert len(compared) == 5


def test_what_the_page_tells_of_the_first_run_stands_in_it(followed: Followed) -> None:
    [said] = [said for step, said in followed.steps if "lake run --from 2024-05-01\n" in step.commands]
    [line] = [line for line in said if line.startswith("silver.sales ") and "succeeded" in line]
    assert "in 4 published 3 quarantined 1" in " ".join(line.split())


def test_the_last_run_publishes_nothing_and_makes_no_version(followed: Followed) -> None:
    [said] = [said for step, said in followed.steps if "--to 2024-05-02" in step.commands]
    assert sum("published 0 quarantined" in " ".join(line.split()) for line in said) == 3
    assert [commit["operation"] for commit in table(followed, "silver/sales").history()] == [
        "MERGE",
        "WRITE",
        "CREATE TABLE",
    ]


def test_a_command_that_fails_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("```sh\ntrue\n```\n\n```sh\nls ~/nowhere\n```\n")
    with pytest.raises(AssertionError, match="nowhere"):
        follow(tmp_path / "page.md", home=tmp_path)
