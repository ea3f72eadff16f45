"""A DAG run that missed its deadline: who is told, and when."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakelib.airflow.deadlines import tell_what_is_late
from tests.runner.projects import Project
from tests.runner.watched import promise_a_day, receiver, record

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
DAY = timedelta(days=1).total_seconds()


def _told(project: Project, *, due: datetime) -> list[str]:
    with receiver() as (address, got):
        (project.folder / "conf" / "local.yml").write_text(f"alerts: ['{address}']")
        context = {"dag_run": {"run_after": due.isoformat()}}
        asyncio.run(tell_what_is_late(project=str(project.folder), seconds=DAY, context=context))
    return got


@pytest.fixture
def daily(tmp_path: Path) -> Project:
    """Its one table may be a day old."""
    project = Project.create(tmp_path / "project")
    project.notebook("bronze.a")
    promise_a_day(project, "bronze.a")
    return project


def test_what_the_run_did_not_write_is_told_when_it_is_late(daily: Project) -> None:
    record(daily, "r1", hours_ago=24 - 1 / 3600)
    assert _told(daily, due=datetime.now(UTC)) == ["bronze.a late: last succeeded 24 h ago, promised every 24 h"]


def test_what_the_run_wrote_is_not_waited_for(daily: Project) -> None:
    record(daily, "r1", hours_ago=20)
    assert _told(daily, due=datetime.now(UTC) - timedelta(hours=21)) == []
