"""Which modules of the project a notebook's code runs, known without running it, as a real import confirms."""

import ast
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from lakelib.errors import NotebookError
from lakelib.runner import find_notebooks
from lakelib.runner.own_modules import own_modules
from tests.runner.projects import Project

FILES = {
    "notebooks/silver/beside.py": "from inner.deep import one",
    "notebooks/silver/inner/deep.py": "one = 1",
    "notebooks/silver/inner/other.py": "",
    "notebooks/silver/package/__init__.py": "from .part import two, x\nx()",
    "notebooks/silver/package/part.py": "from . import sibling\nfrom .sub.leaf import x\ntwo = 2",
    "notebooks/silver/package/sibling.py": "import pandas",
    "notebooks/silver/package/sub/__init__.py": "",
    "notebooks/silver/package/sub/leaf.py": "from ..cousin import x\nimport package",
    "notebooks/silver/package/cousin.py": "def x():\n    import beside",
    "notebooks/silver/package/unused.py": "",
    "notebooks/silver/empty/__init__.py": "",
}
LOADED = """
import sys
sys.path.insert(0, "")
exec(sys.argv[1])
print(*(m.__file__ for n, m in sys.modules.items() if n != "__main__" and getattr(m, "__file__", None)), sep="\\n")
"""


def _lay(project: Path) -> Path:
    for name, source in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(source)
    return project / "notebooks" / "silver"


def _found(code: str, folder: Path, project: Path) -> list[str]:
    return list(own_modules([ast.parse(code)], folder=folder, project=project))


@pytest.mark.parametrize(
    "code",
    [
        "import beside",
        "from inner import deep, other",
        "import inner.deep as d",
        "from package import two",
        "import package.sub.leaf",
        "import empty, pandas, pyspark.sql.functions",
        "from package import *",
        "import json, lakelib",
    ],
)
def test_what_is_found_is_what_an_import_loads(tmp_path: Path, code: str) -> None:
    folder = _lay(tmp_path)
    told = subprocess.run(
        [sys.executable, "-c", LOADED, code], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    loaded = [Path(each).resolve() for each in told]
    own = {each.relative_to(tmp_path).as_posix() for each in loaded if each.is_relative_to(tmp_path)}
    assert set(_found(code, folder, tmp_path)) == own


def test_a_module_is_told_with_the_hash_of_its_bytes(tmp_path: Path) -> None:
    folder = _lay(tmp_path)
    path = "notebooks/silver/empty/__init__.py"
    told = own_modules([ast.parse("import empty")], folder=folder, project=tmp_path)
    assert told == {path: hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()}


def test_what_lies_elsewhere_in_the_project_is_found_where_python_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _lay(tmp_path)
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "rates.py").write_text("rate = 2")
    code = "from shop.rates import rate"
    assert _found(code, folder, tmp_path) == []
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    assert _found(code, folder, tmp_path) == ["src/shop/rates.py"]
    assert _found(code, folder, folder) == []


def test_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    folder = _lay(tmp_path / "project")
    (tmp_path / "shared.py").write_text("x = 1")
    (folder / "linked.py").symlink_to(tmp_path / "shared.py")
    assert _found("import linked", folder, tmp_path / "project") == ["notebooks/silver/linked.py"]


def test_what_is_no_python_is_left_to_the_import(tmp_path: Path) -> None:
    folder = _lay(tmp_path)
    (folder / "broken.py").write_text("def f(:\n")
    assert _found("import broken", folder, tmp_path) == ["notebooks/silver/broken.py"]


def test_a_module_that_cannot_be_read_is_named(project: Project) -> None:
    project.notebook("silver.a", "import gone")
    module = project.folder / "notebooks" / "silver" / "gone.py"
    module.symlink_to("/nowhere/gone.py")
    assert find_notebooks(project.folder)[0].modules == {}
    module.unlink()
    module.symlink_to("/proc/self/mem")  # whose first byte even root can't read
    with pytest.raises(NotebookError, match="imports a module that can't be read: .*Input/output error"):
        find_notebooks(project.folder)
