"""`python -m tests.catalog.on_airflow_plugin`: what DataHub's plugin for Airflow tells of a task beside what we tell.

The plugin is no part of the environment, where it would tell of each task by itself. It is fetched into a folder of
its own, which goes with the end (needs a network).
"""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lake-plugin-") as folder:
        plugin = f"acryl-datahub-airflow-plugin=={version('acryl-datahub')}"
        fetched = [str(ROOT / ".ci" / "uv"), "pip", "install", "--quiet", "--target", folder, "--no-deps", plugin]
        subprocess.run(fetched, check=True)
        variables = {"PYTHONPATH": folder, "AIRFLOW_HOME": f"{folder}/home", "DATAHUB_TELEMETRY_ENABLED": "false"}
        command = [sys.executable, "-m", "pytest", "-n", "0", "tests/catalog/airflow_plugin.py", *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
