"""The competitors: each takes both days through bronze, silver and gold, a new process a day, as a schedule does."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.measuring import Case
from benchmarks.medallion.breakdown import seconds_by_part
from benchmarks.ours import LAKE, zygote_pids
from benchmarks.peers import PEERS_BIN, spark_environment
from lakelib.engine.spark_server import stop_server
from lakelib.engine.spark_state import ServerFolder
from lakelib.errors import RunError
from lakelib.settings import Settings, load_settings

__all__ = ["Place", "all_cases", "make_deliveries"]

HERE: Final = Path(__file__).parent
_EACH_DAY: Final = 'for day in 2024-01-01 2024-01-02; do "$@" "$day" || exit; done'
_PEERS: Final = {
    "duckdb-deltars": "duckdb_deltars.py",
    "polars-deltars": "polars_deltars.py",
    "lakelogic-polars": "lakelogic_polars.py",
    "pyspark-plain": "pyspark_plain.py",
}


@dataclass
class Place:
    """`deliveries` are read by all; below `folder` each has a lake of its own, of which all must hold the same."""

    folder: Path
    deliveries: Path
    expected: dict[str, object] = field(default_factory=dict)

    def lake(self, case: str) -> Path:
        return self.folder / case


def make_deliveries(scale: str, folder: Path) -> None:
    """The two days at this scale factor; nothing where they are."""
    subprocess.run([PEERS_BIN / "python", HERE / "deliveries.py", scale, folder], check=True)


def all_cases(place: Place) -> Sequence[Case]:
    """Ours first."""
    return [_ours("ours-embedded", "embedded", place), _ours("ours-spark", "spark", place)] + [
        _peer(name, script, place) for name, script in _PEERS.items()
    ]


def _ours(name: str, engine: str, place: Place) -> Case:
    lake = place.lake(name)
    settings = load_settings(HERE / "project", engine=engine, lake=str(lake), landing=str(place.deliveries))

    def examine() -> Mapping[str, float]:
        stop_server(settings)
        _compare(name, lake / "warehouse", place)
        return seconds_by_part(lake / "archive")

    return Case(
        name,
        _each_day(LAKE, "run", "--from"),
        environment=_environment(settings),
        prepare=lambda: _clear(lake),
        residents=lambda: _residents(settings),
        examine=examine,
    )


def _residents(settings: Settings) -> Sequence[int]:
    """Zygotes, and the supervisor of a Spark server: the first run starts it, and the second finds it there."""
    server = ServerFolder(settings.engine_state).find()
    return [*zygote_pids(), *([server.pid] if server else [])]


def _environment(settings: Settings) -> Mapping[str, str]:
    return {
        "LAKE_PROJECT": str(settings.project),
        "LAKE_ENGINE": settings.engine,
        "LAKE_LAKE": settings.lake,
        "LAKE_LANDING": settings.landing,
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def _peer(name: str, script: str, place: Place) -> Case:
    lake = place.lake(name)

    def examine() -> Mapping[str, float]:
        _compare(name, lake, place)
        return {}

    return Case(
        name,
        _each_day(str(PEERS_BIN / "python"), str(HERE / "peers" / script), str(place.deliveries), str(lake)),
        environment=spark_environment(place.folder) if "spark" in name else {},
        folder=place.folder,
        prepare=lambda: _clear(lake),
        examine=examine,
    )


def _each_day(*command: str) -> Sequence[str]:
    return ["/bin/sh", "-c", _EACH_DAY, "sh", *command]


def _clear(lake: Path) -> None:
    shutil.rmtree(lake, ignore_errors=True)
    lake.mkdir(parents=True)


def _compare(case: str, tables: Path, place: Place) -> None:
    """Raises RunError where the tables hold something else than those of the case that was first to end."""
    command = [PEERS_BIN / "python", HERE / "checksums.py", tables]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    if not place.expected:
        place.expected.update(found)
    if differences := [table for table in found if found[table] != place.expected[table]]:
        raise RunError(
            f"Case {case} was to hold what the others hold; it differs in {', '.join(differences)}:\n"
            + "\n".join(f"{table}: {found[table]}, the first one {place.expected[table]}" for table in differences),
            hint=f"Its tables are in {tables}.",
        )
