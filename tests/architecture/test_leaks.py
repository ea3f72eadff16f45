from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.leaks import leaks
from tests.architecture.project_files import PROJECT, project_files

# Words that leaks.py must find are written here in two parts.
LEAKING = [
    "https://" + "pypi" + ".org/simple",
    "--extra-" + "index-url https://example.com",
    "https://" + "10.0.0.7/simple",
    "http://build." + "internal/wheels",
    "postgresql://lake:" + "hunter2@db/lake",
    "/ho" + "me/anna/lake",
    "-----BEGIN " + "RSA PRIVATE KEY-----",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    'api_key = "' + '0123456789abcdef"',
]
CLEAN = [
    "password: env:LAKE_PASSWORD",
    'token = "env:SPARK_TOKEN"',
    "sc://host:15002",
    "sqlite:///runs.db",
    "the landing/home/page",
    "http://127.0.0.1:8888/lab?token=",
]


@pytest.mark.parametrize("line", LEAKING)
def test_a_leak_is_found(line: str) -> None:
    assert [number for number, _ in leaks(f"first line\n{line}\n")] == [2]


@pytest.mark.parametrize("line", CLEAN)
def test_what_is_no_leak_is_not_found(line: str) -> None:
    assert list(leaks(line)) == []


def test_no_file_leaks_an_index_a_machine_or_a_secret() -> None:
    found = [f"{path}:{line}: {what}" for path, text in _texts() for line, what in leaks(text)]
    # Tests plant made-up secrets to see that they never reach an archive.
    assert [leak for leak in found if not (leak.startswith("tests/") and "secret in plain text" in leak)] == []


def test_ignored_folders_are_not_part_of_the_project(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(".venv/\n*.egg-info/\nlakelib/.cache/\n")
    for folder in (".git", ".venv", "lake.egg-info", "lakelib", "lakelib/.cache"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.py").touch()
    assert [str(p.relative_to(tmp_path)) for p in project_files(tmp_path)] == [".gitignore", "lakelib/one.py"]


def _texts() -> Iterator[tuple[str, str]]:
    """Deliveries and oracles are left out: other people's bytes, kept as they are."""
    for path in project_files():
        name = path.relative_to(PROJECT)
        if name.parts[0] != "data" and path.suffix != ".png":
            yield str(name), path.read_text(encoding="utf-8")
