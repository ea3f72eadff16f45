import pytest

from lakelib import events
from lakelib.runner.timing import breakdown
from tests.runner.projects import Project, emitting


def test_every_second_of_a_run_is_counted_once(project: Project) -> None:
    told: list[events.Event] = [
        events.Traced("silver.a", [], [], seconds=0.2),
        events.Judged("silver.a", 2, 0.3),
        events.Staged("silver.a", 5, 0.7),
        events.Audited("silver.a", 5, 0, 0, 0, seconds=0.1),
    ]
    project.notebook(
        "silver.a", *(emitting(number, event) for number, event in enumerate(told, 1)), "sum(range(10**6))"
    )
    result = project.run()["silver.a"]
    assert result.status == "succeeded", result.error
    receipt = result.receipt
    assert receipt is not None
    parts = {part.part: part.seconds for part in breakdown(receipt)}
    assert list(parts) == ["kernel", "parse", "lineage", "stage", "judge", "audit", "publish", "notebook", "runner"]
    assert [parts[name] for name in ("parse", "lineage", "stage", "judge", "audit")] == [0, 0.2, 0.4, 0.3, 0.1]
    assert parts["kernel"] > 0
    assert sum(parts.values()) == pytest.approx(receipt.seconds, abs=0.01)
