"""Airflow's DAG processor, without Airflow around it: the DAG file is read again and again."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from benchmarks.sampling import sample
from lakelib.airflow import dags
from lakelib.airflow.project import blueprints_file, settings_of


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("project", type=Path)
    options.add_argument("--times", type=int, required=True)
    options.add_argument("--changed", action="store_true", help="each time a notebook has changed before")
    options.add_argument("--anew", action="store_true", help="each time as for the first time")
    given = options.parse_args()
    notebook = next(given.project.glob("notebooks/*/*.ipynb"))

    def work() -> Mapping[str, float]:
        return {"tasks": len(dags(given.project)[0].tasks)}

    def prepare() -> None:
        if given.changed:
            notebook.touch()
        if given.anew:
            blueprints_file(settings_of(given.project)).unlink(missing_ok=True)

    sample(work, times=given.times, prepare=prepare)


if __name__ == "__main__":
    main()
