"""A project whose landing folder is in a store on this machine, and the command on it."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.clouds.store import Store
from tests.lake_command import lake
from tests.runner.projects import Project

__all__ = ["FLIGHTS", "Lake", "flights"]

ROOT: Final = Path(__file__).parents[2]
FLIGHTS: Final = "flights/flights_2013-01-0{}.csv.gz"


def flights(day: int) -> bytes:
    return (ROOT / "data/landing" / FLIGHTS.format(day)).read_bytes()


@dataclass
class Lake:
    project: Project
    store: Store

    @classmethod
    def create(cls, folder: Path, store: Store) -> "Lake":
        conf = {"landing": store.uri(), "storage": {"options": dict(store.options)}, "retry_seconds": 0.01}
        project = Project.create(folder, yaml.safe_dump(conf))
        for file in ("contracts/bronze/flights.yml", "notebooks/bronze/flights.ipynb"):
            (project.folder / file).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / file, project.folder / file)
        return cls(project, store)

    def __call__(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        variables = os.environ | {"LAKE_PROJECT": str(self.project.folder)} | self.store.variables | env
        done = lake(*arguments, cwd=self.project.folder, env=variables)
        assert self.store.secret not in done.stdout + done.stderr
        return done

    def run(self, table: str, start: str, end: str | None = None, **env: str) -> dict[str, Any]:
        """The one run, as the command tells it."""
        days = ("--from", f"2013-01-{start}", "--to", f"2013-01-{end or start}")
        done = self("run", table, *days, "--json", **env)
        assert done.stdout, done.stderr
        (told,) = json.loads(done.stdout)
        return dict(told)

    def sources(self, table: str) -> dict[str, int]:
        """How many rows of each file the table holds."""
        query = f"SELECT _source_file, count(*) AS n FROM {table} GROUP BY _source_file"
        return {row["_source_file"]: row["n"] for row in json.loads(self("sql", query, "--json").stdout)}

    def files_with_the_secret(self) -> list[Path]:
        files = (path for path in self.project.folder.rglob("*") if path.is_file())
        return [path for path in files if self.store.secret.encode() in path.read_bytes()]
