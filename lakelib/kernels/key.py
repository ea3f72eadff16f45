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

__all__ = ["LIMITS", "UNLIFTED", "import_environment", "source_stamps", "zygote_key"]

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
# Soft limits that a zygote keeps, too: what it has allocated, and its stack, can't be more than they allow its forks.
UNLIFTED: Final = (resource.RLIMIT_STACK, resource.RLIMIT_AS, resource.RLIMIT_DATA)
# Sail logs every request unless told otherwise before it is loaded. jemalloc, in deltalake and in pyarrow, would start
# threads. debugpy warns about a kind of start that is not its own.
_ZYGOTES_OWN: Final = {
    "RUST_LOG": "error",
    "_RJEM_MALLOC_CONF": "background_thread:false",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
_RIGHTS: Final = ("Cap", "NoNewPrivs", "Seccomp:")
_PACKAGE: Final = Path(__file__).parents[1]


def import_environment(env: Mapping[str, str], *, cwd: Path) -> dict[str, str]:
    """What counts while modules are loaded: a zygote's own variables and a kernel's, the same in every folder."""
    counted = _ZYGOTES_OWN | {
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
    except OSError:
        return 0


def _bounds() -> list[object]:
    """What a process inherits and can't lift: limits, control groups, priorities, processors, rights, namespaces."""
    return [
        [resource.getrlimit(limit)[1] for limit in LIMITS],
        [resource.getrlimit(limit)[0] for limit in UNLIFTED],
        [_told(name) for name in ("cgroup", "oom_score_adj", "personality")],
        [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)],
        sorted(os.sched_getaffinity(0)),
        [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
        [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(_RIGHTS)],
        _namespaces(),
    ]


def _told(name: str) -> str:
    """Of this process, by the system; nothing where it does not tell."""
    with suppress(OSError):
        return Path("/proc/self", name).read_text()
    return ""


def _namespaces() -> list[str]:
    """What the process sees as the file system, the network, the processes; nothing where the system does not tell."""
    with suppress(OSError):
        return [str(path.readlink()) for path in (Path("/proc/self/root"), *sorted(Path("/proc/self/ns").iterdir()))]
    return []
