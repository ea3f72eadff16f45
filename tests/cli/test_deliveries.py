import getpass
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lakelib import context, ingest, start, tables
from lakelib.cli.app import run
from lakelib.engine import Engine
from lakelib.errors import DeliveryRefusedError
from lakelib.names import TableName
from tests.engines import embedded
from tests.runner.projects import Project

pytestmark = embedded

HELD = "names/names_2013-01-02.csv"


@pytest.fixture
def names(project: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """bronze.names, with three deliveries: loaded, held, refused."""
    project.contract("bronze.names", logicalType="string")
    (project.folder / "conf" / "local.yml").write_text("landing: landing")
    landing = project.folder / "landing" / "names"
    landing.mkdir(parents=True)
    for day, text in {"01": "name\nAda\n", "02": "name\n", "03": ""}.items():
        (landing / f"names_2013-01-{day}.csv").write_text(text)
    monkeypatch.setenv("LAKE_PROJECT", str(project.folder))
    context.begin(TableName("gold", "any"), None).engine = engine
    with pytest.raises(DeliveryRefusedError):
        load()
    yield project
    context.end()


def load() -> None:
    run = start("bronze.names", start_date="2013-01-01", end_date="2013-01-03")
    tables.load(ingest.csv("names/names_{date}.csv"), run.contract, delivered=run.interval)


@dataclass(frozen=True)
class Lake:
    """The command, in this process: an engine is open already."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str) -> tuple[object, str, str]:
        """Exit code, standard output, standard error."""
        self.monkeypatch.setattr(sys, "argv", ["lake", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        return ended.value.code, *self.capsys.readouterr()

    def listed(self, *arguments: str) -> list[list[str]]:
        _, out, _ = self("deliveries", *arguments, "--json")
        return sorted([each["path"][-6:-4], each["verdict"], each["reason"]] for each in json.loads(out))


@pytest.fixture
def lake(names: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lake:
    capsys.readouterr()
    return Lake(capsys, monkeypatch)


def test_deliveries_are_listed_with_their_verdicts(lake: Lake) -> None:
    held = ["02", "held", "NO_ROWS"]
    assert lake.listed() == [["01", "loaded", ""], held, ["03", "refused", "EMPTY_FILE"]]
    assert lake.listed("bronze.names", "--held") == [held]
    assert "Only the newest 2 are shown" in lake("deliveries", "--limit", "2")[2]
    head, row = lake("deliveries", "--held")[1].splitlines()
    assert head.split()[:4] == ["table", "delivered", "path", "verdict"]
    assert row.split()[:4] == ["bronze.names", "2013-01-02", HELD, "held"]


def test_what_an_engine_says_of_a_file_that_is_gone_is_no_traceback(lake: Lake, names: Project) -> None:
    for file in (names.settings.warehouse / "bronze" / "_manifest").glob("*.parquet"):
        file.unlink()
    code, _, said = lake("deliveries")
    assert (code, said.startswith("Error: "), said.count("\n")) == (1, True, 1), said


def test_a_released_delivery_is_loaded_by_the_next_run(lake: Lake) -> None:
    code, said, _ = lake("release", HELD, "--reason", "closed that day")
    assert code == 0
    assert f"{HELD} was released by {getpass.getuser()}: closed that day." in said
    assert "lake run bronze.names --from 2013-01-02" in said
    with pytest.raises(DeliveryRefusedError, match="1 of 3"):
        load()
    assert ["02", "loaded", ""] in lake.listed()
    assert "It is loaded." in lake("release", HELD, "--reason", "again")[1]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["release", "names_2013-01-02.csv", "--reason", "so"], f"Did you mean {HELD}?"),
        (["release", HELD], "--reason"),
        (["deliveries", "bronze.nams"], "Did you mean bronze.names?"),
        (["verify", "silver.names"], "lake ls"),
        (["verify", "bronze", "bronze.nams"], "Did you mean bronze.names?"),
    ],
)
def test_wrong_use_is_told_what_there_is(lake: Lake, arguments: list[str], hint: str) -> None:
    code, said, complained = lake(*arguments)
    assert (code, said) == (2, "")
    assert hint in " ".join(complained.split())


def test_bronze_is_proven(lake: Lake) -> None:
    assert lake("verify", "bronze")[:2] == (0, "bronze.names: 1 of 1 deliveries are proven, 1 rows.\n")


def test_a_table_whose_contract_is_gone_is_left_alone_unless_it_is_named(lake: Lake, names: Project) -> None:
    contract = names.folder / "contracts" / "bronze" / "names.yml"
    text = contract.read_text()
    contract.unlink()
    try:
        code, said, remarked = lake("verify")
    finally:
        contract.write_text(text)
    assert (code, said) == (0, "Nothing was delivered yet.\n")
    assert "bronze.names has no contract any more" in remarked


def test_what_is_not_proven_ends_with_exit_code_1(lake: Lake, names: Project) -> None:
    (names.folder / "landing" / "names" / "names_2013-01-01.csv").write_text("name\nEve\n")
    code, said, _ = lake("verify", "bronze.names")
    assert code == 1
    assert "bronze.names names/names_2013-01-01.csv: its file in landing is changed" in said
    [proof] = json.loads(lake("verify", "--json")[1])
    assert (proof["landing"], proof["rows"]) == ("changed", 1)
