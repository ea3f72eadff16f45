import subprocess

from lakelib.runner import find_notebooks
from lakelib.runner.provenance import code_sha256, git_state
from tests.runner.projects import Project


def _git(project: Project, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", project.folder, *identity, *arguments], check=True, capture_output=True)


def test_a_projects_revision_and_whether_it_is_what_ran(project: Project) -> None:
    assert git_state(project.folder) is None
    project.notebook("bronze.a")
    for command in (["init"], ["add", "."], ["commit", "-m", "first"]):
        _git(project, *command)
    committed = git_state(project.folder)
    project.notebook("bronze.b")
    changed = git_state(project.folder)
    assert committed is not None
    assert changed is not None
    assert (committed.is_dirty, changed.is_dirty, changed.revision) == (False, True, committed.revision)


def test_the_codes_hash_sees_code_and_not_prose(project: Project) -> None:
    path = project.notebook("bronze.a", "x = 1")
    hashes = []
    for before, after in (("x = 1", "x = 1"), ("# Title", "# Another title"), ("x = 1", "x = 2")):
        path.write_text(path.read_text().replace(before, after))
        hashes.append(code_sha256(find_notebooks(project.folder)[0]))
    assert hashes[0] == hashes[1] != hashes[2]
