"""What a figure was measured on."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

__all__ = ["machine"]

_OURS: Final = ("lakelib", "pysail", "deltalake", "pyspark", "delta-spark", "papermill", "ipykernel", "pyarrow")


def machine(packages: Sequence[str] = _OURS) -> Mapping[str, Any]:
    """CPU, cores, memory, kernel, Python, and the versions of packages of this environment."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
