"""Papermill's API in a process that stays: the same notebook again and again. Runs in the peers' environment."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import papermill

from benchmarks.sampling import sample


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("notebook", type=Path)
    options.add_argument("--times", type=int, required=True)
    options.add_argument("--residents", type=json.loads, default=[])
    given = options.parse_args()

    def work() -> Mapping[str, float]:
        notebook = papermill.execute_notebook(
            given.notebook,
            given.notebook.with_suffix(".executed.ipynb"),
            parameters={"start_date": "2013-01-02"},
            progress_bar=False,
            cwd=given.notebook.parent,
        )
        durations = (cell.metadata.papermill["duration"] for cell in notebook.cells if cell.cell_type == "code")
        return {"cells_s": sum(durations)}

    sample(work, times=given.times, residents=lambda: given.residents)


if __name__ == "__main__":
    main()
