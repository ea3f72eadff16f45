"""The cases: each is a whole process as users start it, or an API called again and again in a process that stays."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.measuring import PROJECT, Case
from benchmarks.notebook_overhead.notebooks import OURS, OURS_NO_SESSION, write_peers, write_project
from benchmarks.ours import LAKE, spark_pids, zygote_pids
from benchmarks.peers import PEERS_BIN, spark_environment
from lakelib import kernels
from lakelib.engine.spark_server import Server
from lakelib.errors import RunError
from lakelib.settings import Settings
from tests.line.oracles import mismatches

__all__ = ["Place", "all_cases", "prepare_place", "warming_cases"]

_DAY: Final = "2013-01-02"


@dataclass(frozen=True)
class Place:
    """Where notebooks of both sides lie, and the Spark server that the cases with a resident one share."""

    folder: Path
    settings: Settings
    server: Server

    @property
    def peers(self) -> Mapping[str, str]:
        return {**spark_environment(self.folder), "CONNECT_URL": self.server.url}

    @property
    def ours(self) -> Mapping[str, str]:
        return {"LAKE_PROJECT": str(self.folder), "JUPYTER_PREFER_ENV_PATH": "1"}


def prepare_place(folder: Path, work: str) -> None:
    write_project(folder, work)
    write_peers(folder, work)


def all_cases(place: Place, *, times: int) -> Sequence[Case]:
    """`times` is how often a process that stays repeats the notebook in one round."""
    server, nobody = [place.server.pid], list[int]()
    return [
        _papermill("fresh-pyspark-delta", "fresh", place, residents=nobody),
        _papermill_api("fresh-pyspark-delta-api", "fresh", place, times=1, residents=nobody),
        _papermill("resident-plain-kernel", "connect", place, residents=server),
        _papermill_api("resident-plain-kernel-api", "connect", place, times=times, residents=server),
        _papermill("no-session-plain-kernel", "plain", place, residents=nobody),
        _papermill_api("no-session-plain-kernel-api", "plain", place, times=times, residents=nobody),
        _runner("ours-warm", OURS, place, "--times", str(times)),
        _runner("ours-cold", OURS, place, "--times", "1", "--cold"),
        _runner("ours-no-session", OURS_NO_SESSION, place, "--times", str(times)),
        _on_spark(_runner("ours-spark-warm", OURS, place, "--times", str(times)), place),
        _lake_run("ours-cli", place),
        _on_spark(_lake_run("ours-spark-cli", place), place),
        _make_run(place),
    ]


def warming_cases(cases: Sequence[Case]) -> Sequence[Case]:
    """Those that warm what stays: the Spark server's code, and our zygote."""
    return [case for case in cases if case.name in ("resident-plain-kernel-api", "ours-spark-warm", "ours-warm")]


def _papermill(name: str, notebook: str, place: Place, *, residents: Sequence[int]) -> Case:
    executed = place.folder / f"{notebook}.executed.ipynb"
    return Case(
        name,
        [str(PEERS_BIN / "papermill"), f"{notebook}.ipynb", str(executed), "-p", "start_date", _DAY],
        environment=place.peers,
        folder=place.folder,
        residents=lambda: residents,
        examine=lambda: _papermill_figures(executed),
    )


def _papermill_api(name: str, notebook: str, place: Place, *, times: int, residents: Sequence[int]) -> Case:
    repeating = [str(PEERS_BIN / "python"), "-m", "benchmarks.notebook_overhead.peers_resident"]
    return Case(
        name,
        [*repeating, str(place.folder / f"{notebook}.ipynb"), "--times", str(times), "--residents", str(residents)],
        environment=place.peers,
        residents=lambda: residents,
    )


def _runner(name: str, table: str, place: Place, *options: str) -> Case:
    return Case(
        name,
        [sys.executable, "-m", "benchmarks.notebook_overhead.ours_resident", table, *options],
        environment=place.ours,
        folder=PROJECT,
        residents=zygote_pids,
    )


def _lake_run(name: str, place: Place) -> Case:
    return Case(
        name,
        [LAKE, "run", OURS, "--from", _DAY],
        environment=place.ours,
        folder=place.folder,
        residents=zygote_pids,
        examine=lambda: _receipt_figures(place.settings),
    )


def _make_run(place: Place) -> Case:
    """The demonstration's week on a new lake, with nothing that is resident: 22 notebooks and a query."""
    lake = place.folder / "week"

    def forget() -> None:
        kernels.stop()
        shutil.rmtree(lake, ignore_errors=True)

    return Case(
        "make-run",
        ["make", "run"],
        environment={"LAKE_LAKE": str(lake)},
        prepare=forget,
        residents=zygote_pids,
        examine=lambda: _checked(lake / "warehouse"),
    )


def _checked(warehouse: Path) -> Mapping[str, float]:
    if found := mismatches(warehouse, "day_007"):
        raise RunError(f"The week's tables differ from the oracle: {found[0]}", hint="Find out what is wrong first.")
    return {}


def _on_spark(case: Case, place: Place) -> Case:
    environment = {**case.environment, "LAKE_ENGINE": "spark"}
    return replace(case, environment=environment, residents=lambda: spark_pids(place.settings))


def _papermill_figures(executed: Path) -> Mapping[str, float]:
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    return {"cells_s": sum(cell["metadata"]["papermill"]["duration"] or 0.0 for cell in cells)}


def _receipt_figures(settings: Settings) -> Mapping[str, float]:
    """Of the newest run; run ids begin with their time."""
    receipt = max(settings.archive.rglob("*.json"), key=lambda path: path.name)
    cells = json.loads(receipt.read_text(encoding="utf-8"))["cells"]
    return {"cells_s": sum(cell["seconds"] or 0.0 for cell in cells)}
