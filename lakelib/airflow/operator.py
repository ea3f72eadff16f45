"""The operator that runs one notebook with lakelib's own runner."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.sdk import BaseOperatorLink, TaskInstanceState, TriggerRule
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from lakelib.airflow.assets import asset
from lakelib.airflow.covering import covered_interval
from lakelib.airflow.outcomes import asset_event, failing_cell, page_address, xcom
from lakelib.airflow.project import settings_of
from lakelib.catalog.following import follow
from lakelib.errors import LakeError
from lakelib.intervals import Interval
from lakelib.names import TableName
from lakelib.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakelib.runner.progress import Progress
    from lakelib.runner.results import RunResult

__all__ = ["NotebookLink", "NotebookOperator"]


class NotebookLink(BaseOperatorLink):
    """The page of the executed notebook, whatever became of it."""

    name = "Executed notebook"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return str(operator.page)


class NotebookOperator(PapermillOperator):
    """Runs the notebook that writes `table`, as `lake run` does: checked, archived, with a receipt.

    It covers the days of the DAG run (`lakelib.airflow.covering`), or `first_day` to `last_day` where these are given.
    The task's XCom is the run as small JSON. A failure that is transient is retried, and so is a task that was stopped;
    any other failure is not. A task that is stopped stops its kernel; the archive shows how far it got.

    What was done since the DAG run was due, by the same code over the same input, is not done again: another scheduler
    may have the same run. A retry leaves out what was done at any time.

    With the trigger rule `all_done` it goes on after a load that only refused deliveries, as `lake run` does, and fails
    after any other failure.
    """

    template_fields: Sequence[str] = ("table", "first_day", "last_day", "parameters")
    operator_extra_links = (NotebookLink(),)

    def __init__(
        self,
        *,
        project: Path | str,
        table: str,
        first_day: str | None = None,
        last_day: str | None = None,
        parameters: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        name = TableName.parse(table)
        notebook = Path(project, "notebooks", name.layer, f"{name.table}.ipynb")
        options = {"task_id": table} | options | {"outlets": [asset(table), *options.get("outlets", [])]}
        super().__init__(input_nb=str(notebook), kernel_name="lake", parameters=dict(parameters or {}), **options)
        self.project = Path(project)
        self.table = table
        self.first_day = first_day
        self.last_day = last_day
        self.page = ""

    def execute(self, context: "Context") -> dict[str, Any]:
        ti = context["ti"]
        if self.trigger_rule == TriggerRule.ALL_DONE:
            self._check_upstream(ti)
        try:
            settings = settings_of(self.project)
            result = self._run(settings, self._interval(context), since=_since(context))
            follow(settings)
        except LakeError as error:
            raise _failure(str(error), is_transient=error.is_transient) from error
        self.page = page_address(result, settings)
        told = xcom(result, self.page)
        self.log.info("%s %s %s %s", self.table, result.status, result.reason, self.page)
        if result.status != "succeeded":
            ti.xcom_push("return_value", told)
            self._fail(result)
        context["outlet_events"][asset(self.table)].extra = asset_event(result, self.page)
        return told

    def on_kill(self) -> NoReturn:
        """While the notebook runs, the runner itself listens to signals; this is for the moments before and after."""
        raise AirflowException(f"{self.table} was stopped.")

    def _check_upstream(self, ti: Any) -> None:
        upstream = sorted(self.upstream_task_ids)
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=upstream, run_ids=[ti.run_id])[ti.run_id]
        for task_id in upstream:
            told = ti.xcom_pull(task_ids=task_id) if states[task_id] == TaskInstanceState.FAILED else None
            if states[task_id] != TaskInstanceState.SUCCESS and (told is None or told["stops_dependants"]):
                raise AirflowFailException(f"{self.table} does not run: {task_id} did not succeed.")

    def _run(self, settings: Settings, interval: Interval, *, since: datetime) -> "RunResult":
        from lakelib.runner.batch import run_notebooks

        logging.getLogger("papermill").setLevel(logging.WARNING)  # it says that no notebook is saved: lakelib does that
        self.log.info("%s covers %s.", self.table, interval)
        [result] = run_notebooks(
            settings,
            [self.table],
            interval=interval,
            parameters=self.parameters,
            resume_since=since,
            on_progress=self._log_progress,
        )
        return result

    def _interval(self, context: "Context") -> Interval:
        if self.first_day:
            return Interval.parse(self.first_day, self.last_day or self.first_day)
        return covered_interval(context)

    def _log_progress(self, progress: "Progress") -> None:
        if progress.cell is not None:
            self.log.info("Cell %d of %d", progress.cell.number, progress.cell.last)

    def _fail(self, result: "RunResult") -> NoReturn:
        error = result.error
        reason = f"{error.kind}: {error.message}" if error else result.reason
        cell = failing_cell(result)
        self.log.error("%s%s", reason, f"\nIt ended in this cell:\n{cell}" if cell else "")
        was_stopped = result.status != "failed"
        raise _failure(f"{self.table} {result.status}: {reason}", is_transient=result.is_transient or was_stopped)


def _since(context: "Context") -> datetime:
    """What was done after this time is taken over."""
    from lakelib.runner.resuming import EVER

    due = context["dag_run"].run_after
    return EVER if context["ti"].try_number > 1 else due


def _failure(message: str, *, is_transient: bool) -> AirflowException:
    return (AirflowException if is_transient else AirflowFailException)(message)
