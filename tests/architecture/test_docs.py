import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.architecture.project_files import PROJECT
from tests.architecture.test_environment import DIRECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
DEPENDENCIES = (PROJECT / "docs" / "dependencies.md").read_text(encoding="utf-8")


def test_each_direct_dependency_has_one_line_and_no_other_has() -> None:
    assert sorted(re.findall(r"^\| `([\w.-]+)` ", DEPENDENCIES, re.MULTILINE)) == sorted(one.name for one in DIRECT)


@pytest.mark.parametrize("wanted", DIRECT, ids=lambda wanted: wanted.name)
def test_a_dependency_s_line_says_what_for_why_and_what_was_turned_down(wanted: Requirement) -> None:
    line = re.search(rf"^\| `{re.escape(wanted.name)}` \|(.*)\|$", DEPENDENCIES, re.MULTILINE)
    assert line is not None
    assert [len(cell.strip()) > 3 for cell in line.group(1).split(" | ")] == [True, True, True]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    assert [link for link in _links(page) if not _leads_somewhere(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_pages_name_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9-]+)", page.read_text(encoding="utf-8"))) - targets == set()


@pytest.mark.parametrize("link", ["nowhere.md", "page.md#no-such-heading", "#nor-this"])
def test_a_broken_link_is_found(tmp_path: Path, link: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A heading\n[text]({link}) [good](page.md#a-heading) [good](#a-heading)\n")
    assert [found for found in _links(page) if not _leads_somewhere(page, found)] == [link]


def _links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)[^)]*\)", text) + re.findall(r"""(?:src|href)=["']([^"']+)""", text)
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+?) *$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
