"""Our runner's API in a process that stays: the same notebook again and again, archive and receipt included."""

import argparse
from collections.abc import Mapping, Sequence

from benchmarks.ours import spark_pids, zygote_pids
from benchmarks.sampling import sample
from lakelib import kernels
from lakelib.intervals import Interval
from lakelib.runner.batch import run_notebooks
from lakelib.settings import load_settings


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("table")
    options.add_argument("--times", type=int, required=True)
    options.add_argument("--cold", action="store_true", help="each time without a zygote")
    given = options.parse_args()
    settings, interval = load_settings(), Interval.parse("2013-01-02", "2013-01-02")

    def work() -> Mapping[str, float]:
        (result,) = run_notebooks(settings, [given.table], interval=interval)
        result.raise_for_status()
        assert result.receipt is not None
        return {"cells_s": sum(cell.seconds or 0.0 for cell in result.receipt.cells)}

    def prepare() -> None:
        if given.cold:
            kernels.stop()

    def residents() -> Sequence[int]:
        return zygote_pids() if settings.engine == "embedded" else spark_pids(settings)

    sample(work, times=given.times, residents=residents, prepare=prepare)


if __name__ == "__main__":
    main()
