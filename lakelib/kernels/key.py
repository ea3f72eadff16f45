"""What a zygote is shared for: everything that is fixed when it has imported, and can't be changed in a fork."""

import hashlib
import json
import os
import platform
import resource
import site
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["LIMITS", "import_environment", "source_stamps", "zygote_key"]

# What Python, the C libraries and the preloaded packages read when they are loaded.
_READ_AT_IMPORT: Final = (
    *(
        "_RJEM_",
        "ARROW_",
        "COVERAGE_",
        "FSSPEC_",
        "GLIBC_",
        "GRPC_",
        "HOME",
        "IPYTHON_",
        "JE_",
        "JUPYTER_PLATFORM_DIRS",
        "LANG",
    ),
    *(
        "LC_",
        "LD_",
        "LOGNAME",
        "MALLOC_",
        "MKL_",
        "NPY_",
        "NUMPY_",
        "OMP_",
        "OPENBLAS_",
        "PANDAS_",
        "PROTOCOL_BUFFERS_",
    ),
    *("PYDANTIC_", "PYDEVD_", "PYSPARK_", "PYTHON", "PYZMQ_", "RUST_", "SPARK_", "TORNADO_", "TRAITLETS_", "USER"),
)
# Read when a session starts; a token that changes with each server would make a zygote each.
_READ_LATER: Final = {"PYSPARK_PYTHON", "SPARK_CONNECT_AUTHENTICATE_TOKEN", "SPARK_LOCAL_IP", "SPARK_REMOTE"}
# Python has three names for some of them.
LIMITS: Final = sorted({int(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")})
_RIGHTS: Final = ("Cap", "NoNewPrivs", "Seccomp:")
_PACKAGE: Final = Path(__file__).parents[1]


def import_environment(env: Mapping[str, str], *, cwd: Path) -> dict[str, str]:
    """Those of a kernel's variables that count while its modules are loaded, the same in every folder."""
    counted = {
        name: value
        for name, value in env.items()
        if name.startswith(_READ_AT_IMPORT) and name not in _READ_LATER and name != "PYTHONEXECUTABLE"
    }
    if "PYTHONPATH" in counted:
        counted["PYTHONPATH"] = os.pathsep.join(str(cwd / entry) for entry in env["PYTHONPATH"].split(os.pathsep))
    return counted


def zygote_key(import_env: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits: two kernels may come from one zygote only if theirs are equal."""
    parts = [sys.executable, platform.node(), sorted(import_env.items()), source_stamps(), _bounds()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def source_stamps() -> list[int]:
    """When the interpreter, its packages and each file of lakelib were changed last, in nanoseconds."""
    packages = [*site.getsitepackages(), site.getusersitepackages(), f"{sys.prefix}/pyvenv.cfg", sys.executable]
    return [_changed(path) for path in (*packages, *_sources())]


def _sources() -> Iterator[str]:
    for folder, _, files in os.walk(_PACKAGE):
        yield from (f"{folder}/{name}" for name in sorted(files) if name.endswith(".py"))


def _changed(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _bounds() -> list[object]:
    """What a process inherits and can't lift: hard limits, control groups, priority, processors, rights, namespaces."""
    groups = Path("/proc/self/cgroup")
    return [
        [resource.getrlimit(limit)[1] for limit in LIMITS],
        resource.getrlimit(resource.RLIMIT_STACK)[0],  # the stack of later threads has its size from the first moment
        groups.read_text() if groups.exists() else "",
        os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
        [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
        [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(_RIGHTS)],
        _namespaces(),
    ]


def _namespaces() -> list[str]:
    """What the process sees as the file system, the network, the processes; nothing where the system does not tell."""
    with suppress(OSError):
        return [str(path.readlink()) for path in (Path("/proc/self/root"), *sorted(Path("/proc/self/ns").iterdir()))]
    return []
