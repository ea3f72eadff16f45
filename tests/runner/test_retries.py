"""Error classes decide: what is transient is run again, what is not is told at once."""

import pytest

from lakelib.errors import is_transient
from lakelib.runner.abandonment import open_store
from tests.runner.projects import Project

ONCE = "from pathlib import Path\nif not Path('../seen').exists():\n    Path('../seen').touch()\n    raise {error}"


TRANSIENT = [
    *("EngineLostError", "CommitConflictError", "KernelDiedError", "RunnerKilledError"),
    *("SourceAwayError", "ConnectionResetError", "OSError", "SparkConnectGrpcException"),
]
LASTING = [
    *("EngineError", "ContractError", "ParameterError", "DeliveryRefusedError", "RuleError", "RunTimeoutError"),
    *("RunCancelledError", "FileNotFoundError", "ZeroDivisionError", "AnalysisException", "Final"),
]


@pytest.mark.parametrize("kind", [*TRANSIENT, *LASTING])
def test_what_may_be_gone_next_time_is_transient(kind: str) -> None:
    assert is_transient(kind) == (kind in TRANSIENT)


@pytest.mark.parametrize(("number", "expected"), [(28, True), (5, True), (2, False), (13, False)])
def test_an_engines_message_tells_of_input_and_output(number: int, *, expected: bool) -> None:
    assert is_transient("QueryExecutionException", f"Generic error: not done (os error {number})") == expected


def test_a_transient_failure_is_run_again_and_both_runs_are_told(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text("retry_seconds: 0.01")
    project.notebook("bronze.a", ONCE.format(error="ConnectionResetError('gone')"))
    told: list[str] = []
    result = project.run(retries=1, on_progress=lambda p: told.append(p.finished.reason if p.finished else ""))[
        "bronze.a"
    ]
    assert result.receipt is not None
    assert (result.status, result.receipt.attempt) == ("succeeded", 2)
    assert "is tried again in 0.01 s" in told
    with open_store(project.settings) as store:
        rows = [(row["status"], row["attempt"], row["is_transient"]) for row in store.newest(limit=9)]
    assert rows == [("succeeded", 2, None), ("failed", 1, True)]


@pytest.mark.parametrize(("error", "attempts"), [("ConnectionResetError('gone')", 1), ("ValueError('no')", 1)])
def test_without_retries_or_for_a_lasting_reason_it_is_run_once(project: Project, error: str, attempts: int) -> None:
    project.notebook("bronze.a", ONCE.format(error=error))
    result = project.run(retries=5 if "Value" in error else 0)["bronze.a"]
    assert (result.status, result.is_transient) == ("failed", "Value" not in error)
    with open_store(project.settings) as store:
        assert len(store.newest(limit=9)) == attempts


def test_the_command_retries_as_often_as_the_setting_says_and_shows_why(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text("retries: 1\nretry_seconds: 0.01")
    project.notebook("bronze.a", "raise ConnectionResetError('gone')")
    ended = project.lake("run")
    assert (ended.returncode, ended.stdout.count("failed")) == (1, 2)
    assert project.lake("runs").stdout.count("ConnectionResetError (transient)") == 2


def test_a_lost_engine_is_told_as_ours_and_not_as_its_client_says_it(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text("engine: spark")
    project.notebook(
        "bronze.a",
        "class SparkConnectGrpcException(Exception): pass",
        "raise SparkConnectGrpcException('<_Rendezvous: status = StatusCode.UNAVAILABLE details = \"refused\">')",
    )
    error = project.run()["bronze.a"].receipt.error
    assert error is not None
    assert (error.kind, error.cell, error.is_transient) == ("EngineLostError", 5, True)
    assert "does not answer; the session and its DataFrames are lost. The client says: refused\nHint:" in error.message
