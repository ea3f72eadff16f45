"""`python -m tests.airflow.on_postgres`: the scheduler's tests with Airflow's own data in a PostgreSQL.

The server is the one of the environment's wheel. Its drivers are no part of the environment: they are fetched into a
folder of their own, which goes with the end (needs a network).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.ingest.databases import postgres_server

ROOT: Final = Path(__file__).parents[2]
DRIVERS: Final = ("psycopg2-binary>=2.9,<3", "asyncpg>=0.30")
CONNECTION: Final = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lake-drivers-") as folder, postgres_server() as url:
        fetched = [str(ROOT / ".ci" / "uv"), "pip", "install", "--quiet", "--target", folder, "--no-deps", *DRIVERS]
        subprocess.run(fetched, check=True)
        variables = {CONNECTION: url.replace("postgresql://", "postgresql+psycopg2://"), "PYTHONPATH": folder}
        command = [sys.executable, "-m", "pytest", "-n", "0", "tests/airflow/test_scheduler.py", *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
