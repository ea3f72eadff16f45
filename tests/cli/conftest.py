from pathlib import Path

import pytest

from tests.runner.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")
