"""DAGs from notebooks: a task a notebook, an edge where one reads what the other writes, a group a layer."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup, TriggerRule

from lakelib.airflow.assets import asset
from lakelib.airflow.blueprints import Blueprint, read_blueprints, waiting
from lakelib.airflow.deadlines import deadlines
from lakelib.airflow.deliveries import DeliverySensor
from lakelib.airflow.operator import NotebookOperator
from lakelib.airflow.project import blueprints_file, settings_of
from lakelib.errors import SettingsError, closest
from lakelib.names import TableName
from lakelib.settings import AirflowSettings, Settings

__all__ = ["dags"]

_SPARE: Final = timedelta(minutes=5)  # for what a task does beside its notebook, which has a limit of its own


def dags(project: Path) -> list[DAG]:
    """The project's DAGs: one by schedule, and one with larger intervals, for backfills and for what came late.

    A DAG file calls this. Nothing is started and nothing is asked: all facts are in `notebooks/`, `contracts/` and
    `conf/`.

    Raises:
        UsageError: notebooks or settings are wrong; Airflow shows it as the file's import error.
    """
    settings = settings_of(project)
    blueprints = read_blueprints(settings.project, kept_in=blueprints_file(settings))
    _check_waiting(settings.airflow, blueprints)
    conf, options = settings.airflow, _options(settings, blueprints)
    made = [
        DAG(
            conf.dag,
            schedule=_timetable(conf.schedule, conf),
            deadline=deadlines(blueprints, settings),
            **options,
        ),
        DAG(f"{conf.dag}_backfill", schedule=_timetable(conf.backfill, conf), is_paused_upon_creation=True, **options),
    ]
    for dag in made:
        _fill(dag, settings, blueprints)
    return made


def _timetable(cron: str | None, conf: AirflowSettings) -> CronDataIntervalTimetable | None:
    return CronDataIntervalTimetable(cron, timezone=conf.time_zone) if cron else None


def _options(settings: Settings, blueprints: Sequence[Blueprint]) -> dict[str, Any]:
    conf = settings.airflow
    return {
        "catchup": False,
        "max_active_runs": 1,
        "max_active_tasks": settings.parallel,
        "tags": sorted({"lake", *(each.domain for each in blueprints if each.domain)}),
        "default_args": {
            "retries": conf.retries,
            "retry_delay": timedelta(seconds=conf.retry_seconds),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(hours=1),
            "execution_timeout": timedelta(seconds=settings.notebook_timeout_seconds) + _SPARE,
            "pool": conf.pool,
        },
    }


def _fill(dag: DAG, settings: Settings, blueprints: Sequence[Blueprint]) -> None:
    loads, upstream = {each.table for each in blueprints if each.sources}, waiting(blueprints)
    with dag:
        groups = {layer: TaskGroup(layer) for layer in dict.fromkeys(_layer(each) for each in blueprints)}
        tasks = {each.table: _task(each, settings, group=groups[_layer(each)]) for each in blueprints}
        for each in blueprints:
            tasks[each.table].set_upstream([tasks[table] for table in sorted(upstream[each.table])])
            if loads & upstream[each.table]:
                tasks[each.table].trigger_rule = TriggerRule.ALL_DONE
            if each.table in settings.airflow.wait_for:
                tasks[each.table].set_upstream(_sensor(each, settings, group=groups[_layer(each)]))
        # The line goes on after refused deliveries; this end of it then fails, and with it the DAG run.
        EmptyOperator(task_id="all_loaded").set_upstream([tasks[load] for load in sorted(loads)])
    # Given to the DAG before, they would be copied into each task, which takes as long as all else here.
    dag.params.update(
        {name: Param(None, type=["null", "string"], format="date") for name in ("start_date", "end_date")}
    )


def _task(blueprint: Blueprint, settings: Settings, *, group: TaskGroup) -> NotebookOperator:
    return NotebookOperator(
        project=settings.project,
        table=blueprint.table,
        task_id=TableName.parse(blueprint.table).table,  # its group gives it the layer: a task is named as its table
        task_group=group,
        inlets=[asset(read) for read in blueprint.reads if read != blueprint.table],
        owner=blueprint.owner or "lake",
        doc_md="\n\n".join([blueprint.title, *blueprint.service_levels]),
    )


def _sensor(blueprint: Blueprint, settings: Settings, *, group: TaskGroup) -> DeliverySensor:
    return DeliverySensor(
        project=settings.project,
        patterns=blueprint.sources,
        task_id=f"{TableName.parse(blueprint.table).table}_delivered",
        task_group=group,
        poke_interval=settings.airflow.look_seconds,
        timeout=timedelta(hours=settings.airflow.wait_hours).total_seconds(),
    )


def _check_waiting(conf: AirflowSettings, blueprints: Sequence[Blueprint]) -> None:
    loads = [each.table for each in blueprints if each.sources]
    for table in conf.wait_for:
        if table not in loads:
            raise SettingsError(f"airflow.wait_for names {table}; no notebook loads it.", hint=closest(table, loads))


def _layer(blueprint: Blueprint) -> str:
    return TableName.parse(blueprint.table).layer
