from lakelib.runner import find_notebooks
from lakelib.runner.provenance import code_sha256, git_state
from tests.runner.projects import Project, committed


def test_a_projects_revision_and_whether_it_is_what_ran(project: Project) -> None:
    assert git_state(project.folder) is None
    project.notebook("bronze.a")
    revision = committed(project)
    clean = git_state(project.folder)
    project.notebook("bronze.b")
    changed = git_state(project.folder)
    assert clean is not None
    assert changed is not None
    assert (clean.is_dirty, changed.is_dirty) == (False, True)
    assert clean.revision == changed.revision == revision


def test_the_codes_hash_sees_code_and_not_prose(project: Project) -> None:
    path = project.notebook("bronze.a", "x = 1")
    hashes = []
    for before, after in (("x = 1", "x = 1"), ("# Title", "# Another title"), ("x = 1", "x = 2")):
        path.write_text(path.read_text().replace(before, after))
        hashes.append(code_sha256(cell.source for cell in find_notebooks(project.folder)[0].code))
    assert hashes[0] == hashes[1] != hashes[2]
