import pytest

from lakelib.runner import find_notebooks, upstream_graph
from tests.runner.projects import Project


@pytest.mark.parametrize(("severity", "waits"), [("error", {"silver.b"}), ("warning", set())])
def test_a_table_waits_for_the_one_that_its_rows_have_to_refer_to(
    project: Project, severity: str, waits: set[str]
) -> None:
    project.notebook("silver.a")
    project.notebook("silver.b")
    told = [{"property": "severity", "value": severity}]
    project.contract("silver.a", relationships=[{"to": "silver.b.id", "customProperties": told}])
    assert upstream_graph(find_notebooks(project.folder))["silver.a"] == waits
