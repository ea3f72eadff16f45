"""`python -m lakelib.airflow.preloaded scheduler …`: Airflow's command, with lakelib and papermill imported before.

Tasks of the LocalExecutor are forked from the scheduler, and DAG files are read in forks of the DAG processor: what is
imported here none of them has to import, which takes seconds.
"""

from airflow.__main__ import main

from lakelib.airflow import dags
from lakelib.runner import batch, page

__all__ = ["batch", "dags", "main", "page"]

if __name__ == "__main__":
    main()  # type: ignore[no-untyped-call]
