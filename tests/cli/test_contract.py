import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from deltalake import write_deltalake
from typer.testing import CliRunner, Result

from lakelib import context
from lakelib.cli.app import app
from lakelib.errors import ContractError, UsageError
from tests.runner.projects import Project

COLUMNS = [
    {"name": "thing_id", "physicalType": "bigint", "primaryKey": True},
    {"name": "size", "physicalType": "bigint"},
]


Lake = Callable[..., Result]


@pytest.fixture
def lake(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """The command in this process, in the project's folder: most of its time would be the start of another one."""
    monkeypatch.chdir(project.folder)
    context.end()
    yield lambda *arguments: CliRunner().invoke(app, arguments, catch_exceptions=False)
    context.current().engine.close()
    context.end()


def write(project: Project, table: str, *columns: dict[str, object], version: str = "1.0.0") -> Path:
    """A contract with these columns and no others."""
    path = project.contract(table)
    told = yaml.safe_load(path.read_text()) | {"version": version}
    told["schema"][0]["properties"] = list(columns)
    path.write_text(json.dumps(told))
    return path


@pytest.fixture
def things(project: Project) -> Project:
    """A contract of silver.things, and a table of it that another writer made."""
    write(project, "silver.things", *COLUMNS)
    rows = pa.table({"thing_id": [1, 2], "size": [5, None], "_run_id": ["x", "x"]})
    stamped = rows.append_column("_updated_at", pa.nulls(2, pa.timestamp("us", tz="UTC")))
    write_deltalake(str(project.settings.warehouse / "silver" / "things"), stamped)
    return project


def test_a_contract_inferred_from_a_file_is_written_to_a_new_one(lake: Lake, project: Project, tmp_path: Path) -> None:
    (tmp_path / "sales_2024-05-01.csv").write_text("id;shop\n1;01\n2;02\n")
    out = project.folder / "contracts" / "bronze" / "sales.yml"
    said = lake("contract", "infer", str(tmp_path / "sales_2024-05-01.csv"), "--out", str(out))
    assert said.stdout.strip() == f"{out} is a contract for bronze.sales: read its comments."
    assert lake("contract", "check").stdout.strip() == "1 contracts, 0 problems"
    with pytest.raises(UsageError, match="which exists"):
        lake("contract", "infer", str(tmp_path / "sales_2024-05-01.csv"), "--out", str(out))


def test_a_contract_is_inferred_from_a_table_for_the_next_layer(lake: Lake, things: Project) -> None:
    told = yaml.safe_load(lake("contract", "infer", "silver.things").stdout)
    assert told["id"] == "gold.things"
    assert [column["name"] for column in told["schema"][0]["properties"]] == ["thing_id", "size"]


@pytest.mark.parametrize(("origin", "says"), [("nowhere.csv", "no such file"), ("a.doc", "does not tell its format")])
def test_what_can_not_be_read_is_told(lake: Lake, project: Project, origin: str, says: str) -> None:
    (project.folder / "a.doc").write_text("?")
    with pytest.raises(UsageError, match=says):
        lake("contract", "infer", origin)


def test_check_finds_what_is_wrong_between_contracts_and_with_tables(lake: Lake, things: Project) -> None:
    reference = {"relationships": [{"to": "silver.sizes.size"}, {"to": "silver.others.id"}]}
    condition = {"quality": [{"type": "custom", "engine": "lakelib", "implementation": "sise > 0"}]}
    write(things, "silver.things", COLUMNS[0], COLUMNS[1] | reference | condition, {"name": "n", "physicalType": "int"})
    write(things, "silver.sizes", {"name": "size", "physicalType": "int", "primaryKey": True})
    (things.folder / "contracts" / "silver" / "broken.yml").write_text("id: [")
    checked = lake("contract", "check", "--json")
    problems = [(found["table"], found["level"], found["message"]) for found in json.loads(checked.stdout)]
    assert checked.exit_code == 1
    assert [(table, level) for table, level, _ in problems] == [
        ("silver.broken", "error"),
        *[("silver.things", "error")] * 3,
        ("silver.things", "warning"),
    ]
    for (_, _, message), says in zip(
        problems, ("line 1", "which is int", "silver.others", "sise", "n (int) comes"), strict=True
    ):
        assert says in message


def test_diff_says_what_breaks_and_fails_without_a_major_version(lake: Lake, things: Project) -> None:
    before = things.folder / "before.yml"
    after = write(things, "silver.things", COLUMNS[0])
    before.write_text(after.read_text())
    write(things, "silver.things", *COLUMNS)
    assert lake("contract", "diff", str(before), str(after)).stdout.strip().endswith("1 differences, 0 breaking")
    turned = lake("contract", "diff", "silver.things", str(before), "--json")
    [change] = json.loads(turned.stdout)
    assert (turned.exit_code, change["kind"], change["is_breaking"]) == (1, "dropped", True)
    before.write_text(before.read_text().replace("1.0.0", "2.0.0"))
    assert lake("contract", "diff", "silver.things", str(before)).exit_code == 0


def test_diff_takes_a_revision_of_git_and_a_table_with_its_contract(lake: Lake, things: Project) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *command], cwd=things.folder, check=True)
    write(things, "silver.things", *COLUMNS, {"name": "n", "physicalType": "int"})
    for sides in (("git:HEAD:contracts/silver/things.yml", "silver.things"), ("silver.things",)):
        assert lake("contract", "diff", *sides).stdout.splitlines()[1].startswith("n (int) comes")
    with pytest.raises(ContractError, match="git was asked"):
        lake("contract", "diff", "git:none:contracts/silver/things.yml", "silver.things")


def test_docs_are_a_page_a_table_and_an_index(lake: Lake, things: Project) -> None:
    things.notebook("gold.sizes", reads=["silver.things"])
    query = {"type": "sql", "name": "few", "query": "SELECT count(*)\nFROM {object}", "mustBeLessThan": 9}
    write(things, "silver.things", COLUMNS[0] | {"description": "a | b"}, COLUMNS[1] | {"quality": [query]})
    assert "2 pages" in lake("contract", "docs", "--out", "pages").stdout
    page = (things.folder / "pages" / "silver.things.md").read_text()
    assert "| `thing_id` | bigint | key | a \\| b |" in page
    assert "| few | batch | `SELECT count(*) FROM {object}` mustBeLessThan 9 | no publication |" in page
    assert "| read by | [gold.sizes](gold.sizes.md) |" in page
    assert "[silver.things](silver.things.md)" in (things.folder / "pages" / "index.md").read_text()


def test_migrate_shows_a_plan_does_it_once_and_history_keeps_the_reason(lake: Lake, things: Project) -> None:
    write(things, "silver.things", COLUMNS[0], {"name": "n", "physicalType": "int"})
    planned = lake("migrate", "silver.things", "--dry-run").stdout
    assert "size (bigint) goes" in planned
    assert "not done yet" in planned
    assert "migrated" in lake("migrate", "silver.things", "-m", "no sizes").stdout
    assert "nothing to migrate" in lake("migrate", "silver.things").stdout
    newest, _ = json.loads(lake("history", "silver.things", "--json").stdout)
    assert json.loads(newest["metadata"])["migration"]["reason"] == "no sizes"
